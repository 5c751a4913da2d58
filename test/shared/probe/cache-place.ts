import type { Context } from "../../../shared/index.ts";
import { openProbeCache } from "../../../shared/caches/probe/open.ts";
import type { PartialResult, ProbeCache } from "../../../shared/caches/probe/probe-cache.ts";
import type { ProbeData, ProbeResult } from "../../../shared/ffprobe.ts";
import { makeContext } from "../../support/context.ts";
import { makePlace } from "../../support/place.ts";

/** The state of a file in tests that are about paths. */
export const STATE = { size: 1234n, mtimeNs: 1_700_000_000_123_456_789n };

/** A result that can be told from others by its number. */
export function resultOf(number: number): ProbeResult & { readonly data: ProbeData } {
  return { state: "probed", data: { streams: [{ index: number, codec_type: "video" }], format: { nb: number } } };
}

/** What mediabox could have noted; it can be told from others by its width. */
export function partialOf(width: number): PartialResult {
  return {
    state: "partial",
    writer: "mediabox",
    values: {
      videoCodec: "h264",
      audioCodec: null,
      width,
      height: 48,
      durationSeconds: 2.5,
      bitRate: 1000,
      colorTransfer: "",
      colorPrimaries: "",
      colorSpace: "",
      bitDepth: 8,
      audioChannels: 0,
      audioLayout: "",
      hasStereo: false,
      hasSurround: false,
    },
  };
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
