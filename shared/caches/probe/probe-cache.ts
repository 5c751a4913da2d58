import type { ProbeResult } from "../../ffprobe.ts";
import type { ProbedValues } from "../directory/probed-fields.ts";
import type { StoredFile } from "./stored.ts";

/** What a probe result is bound to: it holds as long as the file has this size and this modification time. */
export interface MediaState {
  readonly size: bigint;
  readonly mtimeNs: bigint;
}

/**
 * What another program noted of a file: a part of what ffprobe says. It never stands for ffprobe's own answer, and
 * never takes the place of one.
 */
export interface PartialResult {
  readonly state: "partial";
  /** Whether mediabox itself is known to have noted it; a scan of ours may have corrected depth and HDR. */
  readonly writer: "mediabox" | "other";
  readonly values: ProbedValues;
}

/** Whether a partial result is enough for whoever asks. */
export type Accepts = (partial: PartialResult) => boolean;

/** Where a result comes from, and when it was made there. */
interface ProbeSource {
  /** `ffprobe`, `media-audit` or `mediabox`; `redis` where an earlier version of this program did not say. */
  readonly origin: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** What is known of a file. */
export interface CachedProbe extends ProbeSource {
  readonly result: ProbeResult | PartialResult;
}

/**
 * The central cache of probe results, by absolute path. A failure is a result, too: it is not tried again until the
 * file changes.
 */
export interface ProbeCache {
  /**
   * The result for this file as it is now, or `undefined`: what ffprobe said, or a part that is accepted; without
   * `accepts` none is. Counted as a hit or a miss.
   */
  get(path: string, state: MediaState, accepts?: Accepts): Promise<CachedProbe | undefined>;
  /** What this host has stored for this file as it is now, whole or partial and however old. Counts nothing. */
  peek(path: string, state: MediaState): Promise<CachedProbe | undefined>;
  /**
   * Remembers a result; when this returns, it survives kill -9 of this process. Without `source` it was probed just
   * now, and counts as a probe. `false`: it is partial and there is what ffprobe said of the same file, which stays.
   */
  set(path: string, state: MediaState, result: CachedProbe["result"], source?: ProbeSource): Promise<boolean>;
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
