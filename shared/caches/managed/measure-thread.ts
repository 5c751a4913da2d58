import { lstatSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";

import { errnoOf } from "../../errors.ts";
import type { TreeFigures } from "./measure.ts";
import { measureNow } from "./measure-now.ts";

/* A thread that measures trees by synchronous calls. It may hang on a share: `measure-threads.ts` watches it. */

/** What a thread is started with. */
export interface MeasureThreadData {
  /** Number of the device on which trees are measured. */
  readonly device: string;
  /** One number in shared memory that changes as long as the thread gets on. */
  readonly pulse: Int32Array;
}

/** What was found where a tree should be: its figures, that another file system is mounted there, or why it is not known. */
export type TreeLook = { readonly figures: TreeFigures } | { readonly isForeign: true } | { readonly code: string };

const { device, pulse } = workerData as MeasureThreadData;

function alive(): void {
  pulse[0] = (pulse[0] ?? 0) + 1;
}

function lookAt(path: string): TreeLook {
  try {
    alive();
    return String(lstatSync(path, { bigint: true }).dev) === device
      ? { figures: measureNow(path, alive) }
      : { isForeign: true };
  } catch (error) {
    const code = errnoOf(error);
    if (code === undefined) throw error;
    return { code };
  }
}

// Absolute paths come, and looks go back in their order.
parentPort?.on("message", (paths: readonly string[]) => parentPort?.postMessage(paths.map(lookAt)));
