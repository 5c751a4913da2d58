import PQueue from "p-queue";

import type { Context } from "../../context.ts";
import { CacheOpsError } from "../../errors.ts";
import { probeConcurrency, probeFile, type ProbeResult } from "../../ffprobe.ts";
import { throwIfAborted } from "../../time-limit.ts";
import { getKnown, keepProbed, type GotProbe, type ProbeWishes } from "./get-or-probe.ts";
import type { MediaState } from "./probe-cache.ts";

/** A media file with its result; without one when ffprobe itself could not be started. */
export interface ProbedMedia extends MediaState {
  readonly path: string;
  readonly got: GotProbe | undefined;
}

/** Results in the order of the files. */
export interface ProbedMany {
  readonly media: readonly ProbedMedia[];
  /** Why ffprobe could not be started, when it could not: `unavailable` with a hint. */
  readonly missing: CacheOpsError | undefined;
}

/**
 * Gets or probes files, as many at once as the configuration says. When ffprobe cannot be started, what the cache
 * holds is still returned. Throws `interrupted` when the signal is aborted.
 */
export async function probeMany(
  files: readonly (MediaState & { readonly path: string })[],
  wishes: ProbeWishes,
  context: Pick<Context, "configuration" | "signal" | "now" | "progress">,
): Promise<ProbedMany> {
  const queue = new PQueue({ concurrency: probeConcurrency(context) });
  let done = 0;
  let missing: CacheOpsError | undefined;
  const probe = async (path: string): Promise<ProbeResult | undefined> => {
    if (missing !== undefined) return undefined;
    try {
      return await probeFile(path, context);
    } catch (error) {
      throwIfAborted(context.signal);
      if (!(error instanceof CacheOpsError) || error.code !== "unavailable") throw error;
      missing = error;
      return undefined;
    }
  };
  const get = async (path: string, state: MediaState): Promise<GotProbe | undefined> => {
    const known = await getKnown(path, state, wishes);
    if (known !== undefined) return known;
    const result = await probe(path);
    if (result !== undefined) return keepProbed(path, state, result, wishes, context);
    return wishes.refresh === true ? getKnown(path, state, { ...wishes, refresh: false }) : undefined;
  };
  const one = async ({ path, size, mtimeNs }: MediaState & { readonly path: string }): Promise<ProbedMedia> => {
    throwIfAborted(context.signal);
    const got = await get(path, { size, mtimeNs });
    done += 1;
    context.progress({ message: "probing", done, total: files.length });
    return { path, size, mtimeNs, got };
  };
  try {
    return { media: await Promise.all(files.map((file) => queue.add(() => one(file)))), missing };
  } catch (error) {
    // What runs ends before the cache is closed; what waits does not begin.
    queue.clear();
    await queue.onIdle();
    throw error;
  }
}
