import { parentPort, workerData } from "node:worker_threads";

import { presenceNow, type Presence } from "../../presence.ts";
import type { Place } from "../../walk.ts";
import { lookInto, type Task } from "./look.ts";

/* A thread that looks at directories by synchronous calls. It may hang on a share: `threads.ts` watches it. */

/** What a thread is started with. */
export interface ThreadData {
  readonly task: Task;
  /** One number in shared memory that changes as long as the thread gets on. */
  readonly pulse: Int32Array;
}

/** Some directories to look at, `now` being the time in milliseconds since 1970. */
export interface Batch {
  readonly places: readonly Place[];
  readonly now: number;
}

const { task, pulse } = workerData as ThreadData;

function alive(): void {
  pulse[0] = (pulse[0] ?? 0) + 1;
}

function lookNow(path: string): Presence {
  alive();
  return presenceNow(path);
}

let earlier: Promise<void> = Promise.resolve();
parentPort?.on("message", ({ places, now }: Batch) => {
  earlier = earlier.then(async () =>
    parentPort?.postMessage(await lookInto(places, task, now, { lookNow, onPlace: alive })),
  );
});
