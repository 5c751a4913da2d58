import type { Context } from "../../context.ts";
import { probeFile, type ProbeResult } from "../../ffprobe.ts";
import { presenceOf } from "../../presence.ts";
import { parseDuration } from "../../units.ts";
import type { CachedProbe, MediaState, ProbeCache } from "./probe-cache.ts";

/** A probe result, and whether it came from the cache. */
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
}

/**
 * The probe result of a file (absolute path) that was seen in this state: from the cache, or by ffprobe, and then
 * stored. Throws as {@link probeFile} does.
 */
export async function getOrProbe(
  path: string,
  state: MediaState,
  { cache, refresh, retriesFailed }: ProbeWishes,
  context: Pick<Context, "configuration" | "signal" | "now">,
): Promise<GotProbe> {
  const known = refresh === true ? undefined : await cache?.get(path, state);
  const isKnown = known !== undefined && (known.result.state === "probed" || retriesFailed !== true);
  if (isKnown) return { ...known, cached: true };
  const result = await probeFile(path, context);
  await remember(path, state, result, cache, context);
  return { result, at: context.now(), cached: false };
}

/** Stores what ffprobe just said of a file, unless the file changed while it was probed. */
export async function remember(
  path: string,
  { size, mtimeNs }: MediaState,
  result: ProbeResult,
  cache: ProbeCache | undefined,
  { configuration }: Pick<Context, "configuration">,
): Promise<void> {
  const after = await presenceOf(path, parseDuration(configuration.timeLimit));
  const isSame = after.state === "present" && after.stats.size === size && after.stats.mtimeNs === mtimeNs;
  if (isSame) await cache?.set(path, { size, mtimeNs }, result);
}
