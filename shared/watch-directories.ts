import { readFileSync } from "node:fs";
import { clearInterval, setInterval } from "node:timers";
import { Worker } from "node:worker_threads";

import { errnoOf } from "./errors.ts";
import type { Place } from "./walk.ts";
import type { ChangedDirectories, Watched, WatchOrder, WatchReport, WatchThreadData } from "./watch-thread.ts";

/** A thread that watches directories. */
export interface DirectoryWatch {
  /** Watches what lies below these places, and nothing else from now on; `undefined` when the thread hangs. */
  begin(places: readonly Place[]): Promise<Watched | undefined>;
  /** Whether the thread still gets on. */
  isThere(): Promise<boolean>;
  /** Watches nothing any more, at once. */
  end(): void;
}

/**
 * Starts a thread that watches nothing yet. It counts as hanging when it gives no sign of life for `limitMs`, as long as
 * one system call may take. Its errors are thrown by whatever waits for it.
 */
export function startWatching(onChange: (changes: ChangedDirectories) => void, limitMs: number): DirectoryWatch {
  const pulse = new Int32Array(new SharedArrayBuffer(4));
  const workerData: WatchThreadData = { pulse, queueLimit: eventsKept() };
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const worker = new Worker(new URL(`./watch-thread.${extension}`, import.meta.url), { workerData });
  // One that hangs keeps nobody from ending.
  worker.unref();
  let failure: Error | undefined;
  let isEnded = false;
  let waiting: PromiseWithResolvers<WatchReport | undefined> | undefined;
  const fail = (error: Error) => {
    failure ??= error;
    waiting?.reject(error);
  };
  worker.on("message", (report: WatchReport) => {
    if (report.tells === "changed") onChange(report);
    else waiting?.resolve(report);
  });
  worker.on("error", fail);

  const ask = async (order: WatchOrder): Promise<WatchReport | undefined> => {
    if (failure !== undefined) throw failure;
    if (isEnded) return undefined;
    const asked = Promise.withResolvers<WatchReport | undefined>();
    waiting = asked;
    let [last, aliveAt] = [pulse[0], performance.now()];
    const looking = setInterval(
      () => {
        const moment = performance.now();
        if (pulse[0] !== last) [last, aliveAt] = [pulse[0], moment];
        else if (moment - aliveAt > limitMs) asked.resolve(undefined);
      },
      Math.min(1000, limitMs / 4),
    );
    worker.postMessage(order);
    try {
      return await asked.promise;
    } finally {
      clearInterval(looking);
      waiting = undefined;
    }
  };
  let asked: Promise<unknown> = Promise.resolve();
  /** One question after the other, so that each gets its own answer. */
  const inTurn = (order: WatchOrder) => {
    const answer = asked.then(
      () => ask(order),
      () => ask(order),
    );
    asked = answer;
    return answer;
  };
  return {
    async begin(places) {
      const report = await inTurn({ does: "watch", places });
      return report?.tells === "watching" ? report : undefined;
    },
    isThere: async () => (await inTurn({ does: "answer" })) !== undefined,
    end() {
      isEnded = true;
      void worker.terminate();
      waiting?.resolve(undefined);
    },
  };
}

/** How many events the system keeps for a program that is busy. */
function eventsKept(): number {
  try {
    return Number(readFileSync("/proc/sys/fs/inotify/max_queued_events", "utf8"));
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return 16_384;
  }
}
