import { lstat } from "node:fs/promises";

import { errnoOf } from "../../errors.ts";
import { throwIfAborted, withTimeLimit } from "../../time-limit.ts";
import { measureTree, type MeasureOptions } from "./measure.ts";
import type { TreeLook } from "./measure-thread.ts";
import { measureInThreads, type TakeTree } from "./measure-threads.ts";

/** Trees measured at once while threads are not worth it; each measures several of its directories at once. */
const CONCURRENCY = 3;
/** About as long as threads take to start, and fewer trees than are worth a thread. */
const [THREADS_AFTER_MS, FEW] = [50, 8];

/** How to measure many trees. */
export interface ManyOptions extends MeasureOptions {
  /** After how many milliseconds threads take over work that is not done by then; Infinity: never. */
  readonly threadsAfterMs?: number | undefined;
}

/**
 * Measures trees on one device, given by their absolute paths, and hands over what was found in each, in no particular
 * order; threads help when it takes long. Throws `interrupted` when the signal is aborted.
 */
export async function measureMany(
  paths: Iterable<string>,
  device: string,
  options: ManyOptions,
  take: TakeTree,
): Promise<void> {
  const { threadsAfterMs = THREADS_AFTER_MS } = options;
  let waiting = [...paths].toReversed();
  const plainly = async (isEnough: () => boolean) => {
    const work = async () => {
      while (!isEnough()) {
        throwIfAborted(options.signal);
        const path = waiting.pop();
        if (path === undefined) return;
        await take(path, await lookAtTree(path, device, options));
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
  };
  const begun = performance.now();
  await plainly(() => waiting.length >= FEW && performance.now() - begun >= threadsAfterMs);
  if (waiting.length === 0) return;
  waiting = [...(await measureInThreads(waiting, device, options, take))];
  await plainly(() => false);
}

/** One tree, the plain way. */
async function lookAtTree(path: string, device: string, options: MeasureOptions): Promise<TreeLook> {
  try {
    const { dev } = await withTimeLimit(() => lstat(path, { bigint: true }), options.timeLimitSeconds, path);
    return String(dev) === device ? { figures: await measureTree(path, options) } : { isForeign: true };
  } catch (error) {
    const code = errnoOf(error);
    if (code === undefined) throw error;
    return { code };
  }
}
