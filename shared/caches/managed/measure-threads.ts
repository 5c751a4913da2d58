import { doInThreads } from "../../thread-crew.ts";
import type { MeasureOptions } from "./measure.ts";
import type { MeasureThreadData, TreeLook } from "./measure-thread.ts";

const MOST_PATHS = 32;

/** Takes what was found at an absolute path. */
export type TakeTree = (path: string, look: TreeLook) => Promise<void>;

/**
 * Measures trees on one device, given by their absolute paths, the last ones first, and hands over what was found in
 * each: only threads make synchronous calls. Returns those of which the storage said nothing in time. Throws
 * `interrupted` when the signal is aborted.
 */
export async function measureInThreads(
  paths: readonly string[],
  device: string,
  { signal, timeLimitSeconds }: MeasureOptions,
  take: TakeTree,
): Promise<readonly string[]> {
  const data: Omit<MeasureThreadData, "pulse"> = { device };
  return doInThreads<string, readonly TreeLook[]>([...paths], {
    signal,
    timeLimitSeconds,
    module: "./measure-thread",
    beside: import.meta.url,
    data,
    mostJobs: MOST_PATHS,
    messageOf: (batch) => batch,
    take: async (batch, looks) => {
      await Promise.all(batch.map((path, index) => take(path, looks[index] ?? { code: "EIO" })));
    },
  });
}
