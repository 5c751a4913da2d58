import type { Context } from "../../context.ts";
import { probeFile, type ProbeResult } from "../../ffprobe.ts";
import { presenceOf } from "../../presence.ts";
import { parseDuration } from "../../units.ts";
import type { Accepts, CachedProbe, MediaState, ProbeCache } from "./probe-cache.ts";

/** What is known of a file, and whether it came from the cache. */
export interface GotProbe extends CachedProbe {
  readonly cached: boolean;
}

/** How a result is to be had. */
export interface ProbeWishes {
  /** `undefined`: nothing is read from a cache and nothing stored. */
  readonly cache: ProbeCache | undefined;
  /** Probe again, and store what comes out. */
  readonly refresh?: boolean;
  /** Probe again what could not be probed before. */
  readonly retriesFailed?: boolean;
  /** Which partial results will do. Without it, none: what is not wholly known is probed. */
  readonly accepts?: Accepts;
}

/**
 * The probe result of a file (absolute path) that was seen in this state: from the cache, or by ffprobe, and then
 * stored. Throws as {@link probeFile} does.
 */
export async function getOrProbe(
  path: string,
  state: MediaState,
  wishes: ProbeWishes,
  context: Pick<Context, "configuration" | "signal" | "now">,
): Promise<GotProbe> {
  const known = await getKnown(path, state, wishes);
  return known ?? keepProbed(path, state, await probeFile(path, context), wishes, context);
}

/** What the cache holds that is as wished; `undefined`: the file is to be probed. */
export async function getKnown(
  path: string,
  state: MediaState,
  { cache, refresh, retriesFailed, accepts }: ProbeWishes,
): Promise<GotProbe | undefined> {
  const known = refresh === true ? undefined : await cache?.get(path, state, accepts);
  if (known === undefined || (known.result.state === "failed" && retriesFailed === true)) return undefined;
  return { ...known, cached: true };
}

/** Takes what ffprobe just said of a file, and stores it unless the file changed while it was probed. */
export async function keepProbed(
  path: string,
  { size, mtimeNs }: MediaState,
  result: ProbeResult,
  { cache }: ProbeWishes,
  { configuration, now }: Pick<Context, "configuration" | "now">,
): Promise<GotProbe> {
  const after = await presenceOf(path, parseDuration(configuration.timeLimit));
  const isSame = after.state === "present" && after.stats.size === size && after.stats.mtimeNs === mtimeNs;
  if (isSame) await cache?.set(path, { size, mtimeNs }, result);
  return { result, at: now(), origin: "ffprobe", cached: false };
}
