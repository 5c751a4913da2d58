import { availableParallelism } from "node:os";
import { clearInterval, setInterval } from "node:timers";
import { Worker } from "node:worker_threads";

import { CacheOpsError } from "../../errors.ts";
import { throwIfAborted } from "../../time-limit.ts";
import type { MeasureOptions } from "./measure.ts";
import type { MeasureThreadData, TreeLook } from "./measure-thread.ts";

/*
 * Trees measured by threads, under the rules of `caches/directory/threads.ts`: only threads make synchronous calls (T1),
 * a tree counts when its thread has answered for all that came with it (T2), and a thread without a sign of life for as
 * long as one system call may take is left to itself; what it was given is not answered here (T3).
 */

/** As many as there are processors, within these: two also hide each other's waiting, more than four only use memory. */
const [FEWEST_THREADS, MOST_THREADS] = [2, 4];
/** Batches a thread has at once, so that it never waits for the next one. */
const AHEAD = 2;
const MOST_PATHS = 32;

/** Takes what was found at an absolute path. */
export type TakeTree = (path: string, look: TreeLook) => Promise<void>;

interface Thread {
  readonly worker: Worker;
  readonly pulse: Int32Array;
  readonly given: (readonly string[])[];
  lastPulse: number;
  aliveAt: number;
}

/**
 * Measures trees on one device, given by their absolute paths, and hands over what was found in each. Returns those of
 * which the storage said nothing in time. Throws `interrupted` when the signal is aborted.
 */
export async function measureInThreads(
  paths: readonly string[],
  device: string,
  { signal, timeLimitSeconds }: MeasureOptions,
  take: TakeTree,
): Promise<readonly string[]> {
  throwIfAborted(signal);
  let next = 0;
  const unanswered: string[] = [];
  const count = Math.min(Math.max(FEWEST_THREADS, availableParallelism()), MOST_THREADS);
  const threads = new Set(Array.from({ length: count }, () => startThread(device)));
  const { promise: over, resolve, reject } = Promise.withResolvers<void>();
  let taking = 0;

  const handOut = () => {
    for (const thread of threads) {
      while (thread.given.length < AHEAD && next < paths.length) {
        const size = Math.min(MOST_PATHS, Math.ceil((paths.length - next) / (threads.size * AHEAD)));
        const batch = paths.slice(next, next + size);
        next += size;
        if (thread.given.length === 0) thread.aliveAt = performance.now();
        thread.given.push(batch);
        thread.worker.postMessage(batch);
      }
    }
    if (taking === 0 && [...threads].every(({ given }) => given.length === 0)) resolve();
  };
  const takeIn = async (thread: Thread, looks: readonly TreeLook[]) => {
    const batch = threads.has(thread) ? thread.given.shift() : undefined;
    if (batch === undefined) return;
    taking += 1;
    try {
      await Promise.all(batch.map((path, index) => take(path, looks[index] ?? { code: "EIO" })));
    } catch (error) {
      reject(error);
    } finally {
      taking -= 1;
    }
    handOut();
  };
  const watch = () => {
    const moment = performance.now();
    for (const thread of threads) {
      const pulse = thread.pulse[0] ?? 0;
      if (pulse !== thread.lastPulse) Object.assign(thread, { lastPulse: pulse, aliveAt: moment });
      else if (thread.given.length > 0 && moment - thread.aliveAt > timeLimitSeconds * 1000) {
        threads.delete(thread);
        unanswered.push(...thread.given.flat());
        void thread.worker.terminate();
      }
    }
    handOut();
  };
  for (const thread of threads) {
    thread.worker.on("message", (looks: readonly TreeLook[]) => void takeIn(thread, looks));
    thread.worker.on("error", (error) => {
      if (threads.has(thread)) reject(error);
    });
  }
  const stop = () => reject(new CacheOpsError("interrupted", "stopped before the work was done"));
  signal.addEventListener("abort", stop, { once: true });
  const watching = setInterval(watch, Math.min(1000, timeLimitSeconds * 250));
  try {
    handOut();
    await over;
  } finally {
    clearInterval(watching);
    signal.removeEventListener("abort", stop);
    for (const { worker } of threads) void worker.terminate();
    threads.clear();
  }
  return [...unanswered, ...paths.slice(next)];
}

function startThread(device: string): Thread {
  const pulse = new Int32Array(new SharedArrayBuffer(4));
  const workerData: MeasureThreadData = { device, pulse };
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const worker = new Worker(new URL(`./measure-thread.${extension}`, import.meta.url), { workerData });
  // One that hangs keeps nobody from ending.
  worker.unref();
  return { worker, pulse, given: [], lastPulse: 0, aliveAt: 0 };
}
