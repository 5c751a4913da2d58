import { availableParallelism } from "node:os";
import { clearInterval, setInterval } from "node:timers";
import { setImmediate } from "node:timers/promises";
import type { Worker } from "node:worker_threads";

import { CacheOpsError } from "../../errors.ts";
import { presenceNow } from "../../presence.ts";
import { throwIfAborted } from "../../time-limit.ts";
import { walk, type Listing, type Place, type WalkOptions } from "../../walk.ts";
import { lookInto, type LookResult, type Task } from "./look.ts";
import type { Batch, ThreadData } from "./scan-thread.ts";

/*
 * A walk of many directories, with threads. What they do is synchronous, because that is several times as fast; so they
 * may hang where a share does.
 *
 * (T1) The main thread makes no synchronous call but to disks of this host, where nothing hangs. It goes round by itself
 *      until the time that threads take to start is small beside the work, then it only hands out and takes in.
 * (T2) A directory is handed to one thread, and counts when that has answered for the whole batch it came in.
 * (T3) A thread that gives no sign of life for as long as one system call may take is left to itself and asked nothing
 *      more. What it was given goes to the plain walk, which has a time limit for each call and says what hangs.
 */

/** How a walk goes on beyond its first directories. */
export interface ThreadedWalk extends WalkOptions {
  /** Milliseconds until threads take over; Infinity: never. */
  readonly threadsAfterMs: number;
  /** What they do in each directory: the same as `visit`. */
  readonly task: Task;
  /** The time, in milliseconds since 1970. */
  readonly now: () => number;
  /** Takes what a thread found in these directories. */
  readonly take: (result: LookResult, places: readonly Place[]) => void;
  /** Which of the directories below those that were looked into by threads are to be looked into, too. */
  readonly choose: (below: readonly Place[]) => readonly Place[];
  /** The places in `from` answer at once, so that this thread begins with them itself. */
  readonly isLocal: boolean;
}

/** Fewer directories than this are not worth a thread. */
const FEW = 8;

/**
 * Walks as {@link walk} does, with threads when it takes long: a directory is either visited, or what was found in it is
 * taken. Returns whether of every directory of local roots a result was taken: where threads hang, the rest is visited.
 */
export async function walkWithThreads(
  roots: readonly string[],
  options: ThreadedWalk,
  visit: (listing: Listing) => Promise<void>,
): Promise<boolean> {
  const begun = performance.now();
  const isEnough = (left: number) => left >= FEW && performance.now() - begun >= options.threadsAfterMs;
  const left = await (options.isLocal
    ? walkHere([...(options.from ?? [])], options, isEnough)
    : walk(roots, { ...options, isEnough }, visit));
  if (left.length === 0) return true;
  const unanswered = await inThreads(left, options);
  await walk(roots, { ...options, from: unanswered }, visit);
  return unanswered.length === 0;
}

/** Looked into in one stretch, so that others get their turn. */
const STRETCH = 16;

/** Looks into directories in this thread, until none is left or it is enough. */
async function walkHere(
  pending: Place[],
  options: ThreadedWalk,
  isEnough: (left: number) => boolean,
): Promise<readonly Place[]> {
  while (pending.length > 0 && !isEnough(pending.length)) {
    throwIfAborted(options.signal);
    const places = pending.splice(-STRETCH);
    const result = await lookInto(places, options.task, options.now(), { lookNow: presenceNow });
    for (const place of options.choose(result.below)) pending.push(place);
    options.take(result, places);
    await setImmediate();
  }
  return pending;
}

/** As many as there are processors, within these: two also hide each other's waiting, more than four only use memory. */
const [FEWEST_THREADS, MOST_THREADS] = [2, 4];
/** Batches a thread has at once, so that it never waits for the next one. */
const AHEAD = 2;
const MOST_PLACES = 64;

interface Thread {
  readonly worker: Worker;
  readonly pulse: Int32Array;
  readonly given: (readonly Place[])[];
  lastPulse: number;
  /** When the pulse was last seen to change, or work was given while there was none. */
  aliveAt: number;
}

async function inThreads(places: readonly Place[], options: ThreadedWalk): Promise<readonly Place[]> {
  const { signal, timeLimitSeconds, task, now, take, choose, isLocal } = options;
  throwIfAborted(signal);
  const pending = [...places];
  const unanswered: Place[] = [];
  const count = Math.min(Math.max(FEWEST_THREADS, availableParallelism()), MOST_THREADS);
  // Where nothing hangs, this thread is one of them.
  const threads = new Set<Thread>();
  for (let number = isLocal ? 1 : 0; number < count; number += 1) threads.add(await startThread(task));
  let isBusyHere = false;
  const { promise: over, resolve, reject } = Promise.withResolvers<void>();

  const handOut = () => {
    for (const thread of threads) {
      while (thread.given.length < AHEAD && pending.length > 0) {
        const size = Math.min(MOST_PLACES, Math.ceil(pending.length / (threads.size * AHEAD)));
        const batch: Batch = { places: pending.splice(-size), now: now() };
        if (thread.given.length === 0) thread.aliveAt = performance.now();
        thread.given.push(batch.places);
        thread.worker.postMessage(batch);
      }
    }
    if (isLocal && !isBusyHere && pending.length > 0) void workHere();
    if (!isBusyHere && [...threads].every(({ given }) => given.length === 0)) resolve();
  };
  const workHere = async () => {
    isBusyHere = true;
    try {
      await walkHere(pending, options, () => threads.size === 0);
    } catch (error) {
      reject(error);
    }
    isBusyHere = false;
    handOut();
  };
  const takeIn = (thread: Thread, result: LookResult) => {
    const places = thread.given.shift();
    if (places === undefined || !threads.has(thread)) return;
    for (const place of choose(result.below)) pending.push(place);
    take(result, places);
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
    thread.worker.on("message", (result: LookResult) => takeIn(thread, result));
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
  return [...unanswered, ...pending];
}

async function startThread(task: Task): Promise<Thread> {
  const { Worker } = await import("node:worker_threads");
  const pulse = new Int32Array(new SharedArrayBuffer(4));
  const workerData: ThreadData = { task, pulse };
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const resourceLimits = { maxYoungGenerationSizeMb: 4 };
  const worker = new Worker(new URL(`./scan-thread.${extension}`, import.meta.url), { workerData, resourceLimits });
  // One that hangs keeps nobody from ending.
  worker.unref();
  return { worker, pulse, given: [], lastPulse: 0, aliveAt: 0 };
}
