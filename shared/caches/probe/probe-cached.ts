import type { Context } from "../../context.ts";
import { probeFile, type ProbeResult } from "../../ffprobe.ts";
import type { MediaState, ProbeCache } from "./probe-cache.ts";

/** How to use the cache for one file. */
export interface ProbeUse {
  /** Absent: neither read nor written. */
  readonly cache: ProbeCache | undefined;
  /** Probe again, whatever the cache says. */
  readonly isRefresh: boolean;
  /** Probe again what could not be probed before. */
  readonly retriesFailed: boolean;
}

/** What is known of a media file (absolute path) in this state: from the cache, else from ffprobe and then cached. */
export async function probeCached(
  path: string,
  state: MediaState,
  { cache, isRefresh, retriesFailed }: ProbeUse,
  context: Context,
): Promise<{ readonly result: ProbeResult; readonly isCached: boolean }> {
  const known = isRefresh ? undefined : await cache?.get(path, state);
  if (known !== undefined && (known.result.state === "probed" || !retriesFailed)) {
    return { result: known.result, isCached: true };
  }
  const result = await probeFile(path, context);
  await cache?.set(path, state, result);
  return { result, isCached: false };
}
