import type { Content } from "./file.ts";
import type { Evidence } from "./evidence.ts";
import type { Finding, Trouble } from "./finding.ts";

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
}

/** One cache file as it was read. */
export interface SeenCache {
  /** Absolute path as the walk found it. */
  readonly cache: string;
  /** Real path of the file: differs when the cache is a symbolic link. */
  readonly file: string;
  readonly root: string;
  readonly content: Content;
  /** Modification time in milliseconds since 1970. */
  readonly mtimeMs: number;
  /** Entries it holds; 0 when it cannot be read as a cache. */
  readonly entries: number;
  /** The name of what works in its directory right now, if anything does. */
  readonly inUseBy: string | undefined;
}

/** Everything a scan of some roots saw. Holds no file contents. */
export interface Scan {
  readonly caches: readonly SeenCache[];
  readonly found: readonly Found[];
  readonly troubles: readonly Trouble[];
}
