import type { Context } from "../../../shared/index.ts";
import { openProbeCache } from "../../../shared/caches/probe/open.ts";
import type { ProbeCache } from "../../../shared/caches/probe/probe-cache.ts";
import type { ProbeData, ProbeResult } from "../../../shared/ffprobe.ts";
import { makeContext } from "../../support/context.ts";
import { makePlace } from "../../support/place.ts";

/** The state of a file in tests that are about paths. */
export const STATE = { size: 1234n, mtimeNs: 1_700_000_000_123_456_789n };

/** A result that can be told from others by its number. */
export function resultOf(number: number): ProbeResult & { readonly data: ProbeData } {
  return { state: "probed", data: { streams: [{ index: number, codec_type: "video" }], format: { nb: number } } };
}

/** A context with a state directory of its own. */
export function probeContext(
  parts: Parameters<typeof makeContext>[0] = {},
): Context & { readonly stateDirectory: string } {
  const stateDirectory = parts.stateDirectory ?? makePlace("state");
  return { ...makeContext(parts), stateDirectory };
}

/** Opens the cache for one piece of work. */
export async function withCache<T>(context: Context, work: (cache: ProbeCache) => Promise<T>): Promise<T> {
  const cache = await openProbeCache(context);
  try {
    return await work(cache);
  } finally {
    await cache.close();
  }
}
