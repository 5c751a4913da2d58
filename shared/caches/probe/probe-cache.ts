import type { ProbeResult } from "../../ffprobe.ts";

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

/**
 * The central cache of probe results, by absolute path. A failure is a result, too: it is not tried again until the
 * file changes.
 */
export interface ProbeCache {
  /** The result for this file as it is now, or `undefined`. Counted as a hit or a miss. */
  get(path: string, state: MediaState): Promise<CachedProbe | undefined>;
  /** Remembers a result; when this returns, it survives kill -9 of this process. */
  set(path: string, state: MediaState, result: ProbeResult): Promise<void>;
  /** Stores the counters and lets go of the store. */
  close(): Promise<void>;
}
