import type { Content } from "./file.ts";
import type { Evidence } from "./evidence.ts";
import type { Finding, Kind, Trouble } from "./finding.ts";
import type { ChangedPack, Tracked } from "./change.ts";
import type { Skipped } from "./plan.ts";

/** A finding with what a planner needs beside it. */
export interface Found {
  readonly finding: Finding;
  readonly root: string;
  /** What has to hold still when it is acted upon. */
  readonly evidence: readonly Evidence[];
  /** When the entry was last written, in milliseconds since 1970, if it says. */
  readonly lastSeen: number | undefined;
  /** For media that went to another directory: the cache file there. */
  readonly movedTo?: string;
  /** For leftovers: what to remove, instead of an entry. */
  readonly path?: string;
  /** For directories of managed caches: what their register calls them, and where they would go. */
  readonly tracked?: Tracked;
  readonly place?: string;
  /** Of these: it is removed, instead of staying in the quarantine for a while. */
  readonly isForGood?: boolean;
  /** And these: they are packed before they go, or this pack is not needed any more. */
  readonly pack?: ChangedPack;
  /** Path of the media as patterns are matched against it, where the cache does not lie beside it. */
  readonly media?: string;
}

/** One cache file as it was read. */
export interface SeenCache {
  readonly kind: Kind;
  /** Absolute path as the walk found it. */
  readonly cache: string;
  /** Real path of the file: differs when the cache is a symbolic link. */
  readonly file: string;
  readonly root: string;
  /** Of a managed cache, which is no file: only the size counts, the sum of its directories. */
  readonly content: Content;
  /** Modification time in milliseconds since 1970. */
  readonly mtimeMs: number;
  /** Entries it holds; 0 when it cannot be read as a cache. */
  readonly entries: number;
  /** When its one entry was made (ms since 1970), as that says itself; only for caches with a file an entry. */
  readonly writtenAt?: number | undefined;
  /** The name of what works in its directory right now, if anything does. */
  readonly inUseBy: string | undefined;
}

/**
 * How closely to look. `full`: every fingerprint is compared with its media. `names`: an entry is in order while its
 * media is there under a name of its own, and directories that did not change since the last look are passed over.
 * `fast`: the same, but a cache that was written in place is not noticed.
 */
export type Depth = "full" | "names" | "fast";

/** Caches in order of one root, of which no more was kept than these sums. */
export interface InOrder {
  readonly root: string;
  caches: number;
  entries: number;
  /** The one modified last, in milliseconds since 1970; with none the path is empty. */
  newest: { readonly cache: string; readonly mtimeMs: number };
}

/** Everything a scan of some roots saw. Holds no file contents. */
export interface Scan {
  readonly caches: readonly SeenCache[];
  readonly found: readonly Found[];
  readonly troubles: readonly Trouble[];
  /** Caches in order that are not among `caches`: a look by names keeps nothing of them. */
  readonly inOrder?: readonly InOrder[];
  /** What the scan itself left alone, and by which rule. */
  readonly skipped?: readonly Skipped[];
}
