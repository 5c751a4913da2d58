import { setImmediate } from "node:timers/promises";

import { presenceHere } from "../../presence.ts";
import { doInThreads } from "../../thread-crew.ts";
import { throwIfAborted } from "../../time-limit.ts";
import { walk, type Listing, type Place, type WalkOptions } from "../../walk.ts";
import { lookInto, type LookResult, type Task } from "./look.ts";
import type { Batch, ThreadData } from "./scan-thread.ts";

/*
 * A walk of many directories, with threads. What they do is synchronous, because that is several times as fast; so they
 * may hang where a share does.
 *
 * (T1) The main thread makes no synchronous call but to disks of this host, where nothing hangs; what a link leads to
 *      may be elsewhere, and has its time limit. It goes round by itself until the time that threads take to start is
 *      small beside the work, then it only hands out and takes in.
 * (T2) What a thread that hangs was given (`thread-crew.ts`, C1 and C2) goes to the plain walk, which has a time limit
 *      for each call and says what hangs.
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
    const result = await lookInto(places, options.task, options.now(), {
      lookNow: (path) => presenceHere(path, options.timeLimitSeconds),
    });
    for (const place of options.choose(result.below)) pending.push(place);
    options.take(result, places);
    await setImmediate();
  }
  return pending;
}

const MOST_PLACES = 64;

async function inThreads(places: readonly Place[], options: ThreadedWalk): Promise<readonly Place[]> {
  const { signal, timeLimitSeconds, task, now, take, choose, isLocal } = options;
  const pending = [...places];
  const data: Omit<ThreadData, "pulse"> = { task };
  return doInThreads<Place, LookResult>(pending, {
    signal,
    timeLimitSeconds,
    module: "./scan-thread",
    beside: import.meta.url,
    data,
    youngMegabytes: 4,
    mostJobs: MOST_PLACES,
    messageOf: (batch): Batch => ({ places: batch, now: now() }),
    take: (batch, result) => {
      for (const place of choose(result.below)) pending.push(place);
      take(result, batch);
    },
    doHere: isLocal ? (isOver) => walkHere(pending, options, isOver) : undefined,
  });
}
