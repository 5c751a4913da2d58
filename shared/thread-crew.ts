import { availableParallelism, cpus } from "node:os";
import { clearInterval, setInterval } from "node:timers";
import type { Worker } from "node:worker_threads";

import { CacheOpsError } from "./errors.ts";
import { noteHanging, throwIfAborted } from "./time-limit.ts";

/*
 * Threads that do synchronous work which may hang where a share does, and are watched from here.
 *
 * (C1) A job is handed to one thread, and counts when that has answered for the whole batch it came in.
 * (C2) A thread that gives no sign of life for as long as one system call may take is left to itself and asked nothing
 *      more. What it was given stays unanswered, and no other thread is started in its place.
 */

/** Work for threads: each batch is answered by one message, in their order. */
export interface CrewWork<Job, Answer> {
  readonly signal: AbortSignal;
  /** Limit for one system call, in seconds. */
  readonly timeLimitSeconds: number;
  /** What a thread runs: a module without its ending, beside the module of this address. */
  readonly module: string;
  readonly beside: string;
  /** What it is started with; beside it gets `pulse`, one number in shared memory to change as long as it gets on. */
  readonly data: object;
  /** For its young objects, in megabytes; as Node has it unless said. */
  readonly youngMegabytes?: number;
  /** A batch holds at most so many jobs. */
  readonly mostJobs: number;
  /** The message for a batch. */
  readonly messageOf: (batch: readonly Job[]) => unknown;
  readonly take: (batch: readonly Job[], answer: Answer) => Promise<void> | void;
  /** Takes jobs away from those that are pending and does them in this thread, in place of one of the others. */
  readonly doHere?: ((isOver: () => boolean) => Promise<unknown>) | undefined;
  /** Tells whether processors had nothing to do since it was asked before; unless given, what the system says. */
  readonly areIdle?: () => boolean;
}

/**
 * At first as many as there are processors, within these; then one more whenever processors had nothing to do though
 * there was work: threads wait for a disk or a share then, and more of them wait side by side.
 */
const [FEWEST_THREADS, MOST_THREADS] = [2, 4];
/** How often to look whether that is so, and the share of the processors' time that may go unused. */
const [LOOK_MS, UNUSED] = [100, 0.15];
/** Batches a thread has at once, so that it never waits for the next one. */
const AHEAD = 2;

interface Thread<Job> {
  readonly worker: Worker;
  readonly pulse: Int32Array;
  readonly given: (readonly Job[])[];
  lastPulse: number;
  /** When the pulse was last seen to change, or work was given while there was none. */
  aliveAt: number;
}

/**
 * Has all jobs done, the last ones first; `take` may add more. Returns those that nobody answered. Throws `interrupted`
 * when the signal is aborted, and what a thread or `take` throws.
 */
export async function doInThreads<Job, Answer>(pending: Job[], work: CrewWork<Job, Answer>): Promise<readonly Job[]> {
  const { signal, timeLimitSeconds, mostJobs, messageOf, take, doHere, areIdle = watchProcessors() } = work;
  const start = await makeStarter<Job>(work);
  throwIfAborted(signal);
  const unanswered: Job[] = [];
  const count = Math.min(Math.max(FEWEST_THREADS, availableParallelism()), MOST_THREADS);
  const here = doHere === undefined ? 0 : 1;
  const threads = new Set<Thread<Job>>();
  const { promise: over, resolve, reject } = Promise.withResolvers<void>();
  let isBusyHere = false;
  let taking = 0;

  const handOut = () => {
    for (const thread of threads) {
      while (thread.given.length < AHEAD && pending.length > 0) {
        const size = Math.min(mostJobs, Math.ceil(pending.length / (threads.size * AHEAD)));
        const batch = pending.splice(-size);
        if (thread.given.length === 0) thread.aliveAt = performance.now();
        thread.given.push(batch);
        thread.worker.postMessage(messageOf(batch));
      }
    }
    if (doHere !== undefined && !isBusyHere && pending.length > 0) void workHere(doHere);
    if (!isBusyHere && taking === 0 && [...threads].every(({ given }) => given.length === 0)) resolve();
  };
  const workHere = async (doSome: NonNullable<typeof doHere>) => {
    isBusyHere = true;
    try {
      await doSome(() => threads.size === 0);
    } catch (error) {
      reject(error);
    }
    isBusyHere = false;
    handOut();
  };
  const takeIn = async (thread: Thread<Job>, answer: Answer) => {
    const batch = threads.has(thread) ? thread.given.shift() : undefined;
    if (batch === undefined) return;
    taking += 1;
    try {
      await take(batch, answer);
    } catch (error) {
      reject(error);
    }
    taking -= 1;
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
        noteHanging(thread.worker.terminate());
      }
    }
    handOut();
  };
  let started = 0;
  const add = () => {
    const thread = start();
    threads.add(thread);
    started += 1;
    thread.worker.on("message", (answer: Answer) => void takeIn(thread, answer));
    thread.worker.on("error", (error) => {
      if (threads.has(thread)) reject(error);
    });
  };
  const grow = () => {
    const isOfUse = areIdle() && pending.length > 0;
    if (!isOfUse || started + here >= MOST_THREADS) return;
    add();
    handOut();
  };
  for (let missing = count - here; missing > 0; missing -= 1) add();
  const stop = () => reject(new CacheOpsError("interrupted", "stopped before the work was done"));
  signal.addEventListener("abort", stop, { once: true });
  const watching = setInterval(watch, Math.min(1000, timeLimitSeconds * 250));
  const growing = setInterval(grow, LOOK_MS);
  try {
    handOut();
    await over;
  } finally {
    clearInterval(watching);
    clearInterval(growing);
    signal.removeEventListener("abort", stop);
    // One that still has work may be waiting for a share.
    for (const { worker, given } of threads) {
      const ended = worker.terminate();
      if (given.length > 0) noteHanging(ended);
    }
    threads.clear();
  }
  return [...unanswered, ...pending];
}

/** Tells at each call whether processors had nothing to do since the one before. */
function watchProcessors(): () => boolean {
  let before = usedTime();
  return () => {
    const [now, last] = [usedTime(), before];
    before = now;
    return now.busyMs - last.busyMs < (1 - UNUSED) * (now.allMs - last.allMs);
  };
}

/** What all processors together worked, and what they could have, in milliseconds since some moment. */
function usedTime(): { readonly busyMs: number; readonly allMs: number } {
  const busy = cpus().map(({ times }) => times.user + times.nice + times.sys + times.irq);
  return { busyMs: busy.reduce((sum, time) => sum + time, 0), allMs: performance.now() * busy.length };
}

async function makeStarter<Job>(work: Pick<CrewWork<Job, never>, "module" | "beside" | "data" | "youngMegabytes">) {
  // Loaded when threads start: most programs have no need of them.
  const { Worker } = await import("node:worker_threads");
  const { module, beside, data, youngMegabytes } = work;
  const file = new URL(`${module}.${beside.endsWith(".ts") ? "ts" : "js"}`, beside);
  const resourceLimits = youngMegabytes === undefined ? {} : { maxYoungGenerationSizeMb: youngMegabytes };
  return (): Thread<Job> => {
    const pulse = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(file, { workerData: { ...data, pulse }, resourceLimits });
    // One that hangs keeps nobody from ending.
    worker.unref();
    return { worker, pulse, given: [], lastPulse: 0, aliveAt: 0 };
  };
}
