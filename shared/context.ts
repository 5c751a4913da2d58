import type { JellyfinAccess } from "./caches/jellyfin/client.ts";
import type { Configuration } from "./config.ts";
import type { ObjectStorageKeys } from "./object-storage-keys.ts";
import type { State } from "./state.ts";
import type { LibraryPart } from "./walk.ts";

/** How far a piece of work is. `total` is missing while it is not known. */
export interface Progress {
  /** What is being done, in a few words. */
  readonly message: string;
  readonly done: number;
  readonly total?: number;
}

/** Everything an operation gets from outside: nothing in the core reads the clock, the environment or the console. */
export interface Context {
  /** The time, in milliseconds since 1970. */
  readonly now: () => number;
  /** Aborted when the caller gave up: the work stops at the next safe point. */
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
  /** Notes for whoever looks after the program; never needed to understand a result. */
  readonly log: (message: string, fields?: Readonly<Record<string, unknown>>) => void;
  /** The store, opened on first use. */
  readonly state: () => State;
  /** Where the store and the probe cache lie; known without opening anything. Absent: ask {@link Context.state}. */
  readonly stateDirectory?: string | undefined;
  readonly configuration: Configuration;
  /** Redis or Valkey behind the probe cache. A secret: it may hold a password, so it is never shown or stored. */
  readonly redisUrl?: string | undefined;
  /** Keys of the object store that directories are archived to. A secret, never shown or stored. */
  readonly objectStorageKeys?: ObjectStorageKeys | undefined;
  /** Key of the API of the orchestrators that engine caches name. A secret, never shown or stored. */
  readonly orchestratorKey?: string | undefined;
  /** How Jellyfin servers are spoken to, and the API key of each. Secrets, never shown or stored. */
  readonly jellyfin?: JellyfinReach | undefined;
  /** Where the environment says that caches of this user's programs lie (XDG_CACHE_HOME, LOCALAPPDATA), if it does. */
  readonly cacheHome?: string | undefined;
  /** Ceilings the operator set for whoever calls; input can only stay below them. Absent: none. */
  readonly bounds?: Bounds;
  /** Where hosts share the work on a library: cleanup, check and scan look at this part of it only. */
  readonly part?: LibraryPart | undefined;
  /** Asked before every change where work is shared between hosts: throws `locked` once the right to it was lost. */
  readonly fence?: (() => Promise<void>) | undefined;
}

/** What speaking to Jellyfin servers takes from outside. */
interface JellyfinReach extends Pick<JellyfinAccess, "fetch" | "wait"> {
  /** The API key of a server, by its name in the configuration. Rejects when it is named and cannot be read. */
  readonly token: (server: string) => Promise<string | undefined>;
}

/** What a caller may at most do. */
export interface Bounds {
  /** Only what lies in configured libraries can be looked at and changed. */
  readonly confined: boolean;
  /** Most entries one applied plan may change. */
  readonly maxEntries?: number | undefined;
  /** Most bytes one applied plan may free. */
  readonly maxBytes?: number | undefined;
}
