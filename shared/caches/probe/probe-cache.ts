import type { ProbeResult } from "../../ffprobe.ts";
import type { StoredFile } from "./stored.ts";

/** What a probe result is bound to: it holds as long as the file has this size and this modification time. */
export interface MediaState {
  readonly size: bigint;
  readonly mtimeNs: bigint;
}

/** A probe result and when it was made, in milliseconds since 1970. */
export interface CachedProbe {
  readonly result: ProbeResult;
  readonly at: number;
}

/** Where a result comes from that was not probed just now: the other cache, and when it was made there. */
interface ProbeSource {
  readonly origin: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/**
 * The central cache of probe results, by absolute path. A failure is a result, too: it is not tried again until the
 * file changes.
 */
export interface ProbeCache {
  /** The result for this file as it is now, or `undefined`. Counted as a hit or a miss. */
  get(path: string, state: MediaState): Promise<CachedProbe | undefined>;
  /**
   * Remembers a result; when this returns, it survives kill -9 of this process. Without `source` it was probed just
   * now, and counts as a probe.
   */
  set(path: string, state: MediaState, result: ProbeResult, source?: ProbeSource): Promise<void>;
  /**
   * The files of a directory, if the tree below it still has this digest and no result in it is too old: a hit for
   * each of them. That there is nothing is no miss yet: the files are asked for one by one then.
   */
  getDirectory(path: string, digest: string): Promise<readonly StoredFile[] | undefined>;
  /** Remembers what the media files of a directory were found to be, for as long as its tree has this digest. */
  setDirectory(path: string, digest: string, files: readonly StoredFile[]): Promise<void>;
  /** Stores the counters and lets go of the store. */
  close(): Promise<void>;
}
