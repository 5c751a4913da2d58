import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";

import { CacheOpsError, errnoOf } from "./errors.ts";
import type { KeeperData, KeeperReply, KeeperRequest } from "./lock-keeper.ts";
import { OWNER_FILE } from "./owner.ts";

/*
 * Locks on caches, for every process of ours on every host that sees the file.
 *
 * (L1) A lock is a directory beside what it protects, made by mkdir: that is atomic on network file systems too.
 * (L2) It is kept alive from a worker thread with synchronous calls, so neither a busy event loop nor a thread pool
 *      that hangs on a share lets it go stale.
 * (L3) A lock is taken over when its owner is dead on this host, or when it was not kept alive for STALE_SECONDS.
 *      Processes that share a state directory take over one at a time, inside an exclusive transaction of its guard
 *      database. Between others (L4) has to do: measured, one take-over in 80 with six contenders has two owners.
 * (L4) Each lock holds a token. `assertHeld` reads it again right before a rename: who lost the lock does not write.
 * Programs that do not know these locks are kept out by comparing before the rename (`atomic.ts`), not by (L1).
 */

/** A lock that was acquired. */
export interface HeldLock {
  /** Throws `locked` when another process has taken the lock over. */
  assertHeld(): void;
}

/** How to lock. */
export interface LockOptions {
  /** Directory for the guard database: the state directory. */
  readonly guardDirectory: string;
  readonly signal: AbortSignal;
  /** How long to wait for another holder. */
  readonly waitSeconds: number;
  /** After how long without a sign of life a lock counts as abandoned: the same for everybody who uses it. */
  readonly staleSeconds?: number;
}

/**
 * Runs `work` while holding the lock directory `path`; `subject` names in messages what it protects.
 *
 * Throws `locked` when somebody else holds it for longer than `waitSeconds`, and the system's error when the lock
 * cannot be made.
 */
export async function withLock<T>(
  path: string,
  subject: string,
  options: LockOptions,
  work: (lock: HeldLock) => Promise<T>,
): Promise<T> {
  const keeper = keeperFor(options);
  const token = await acquire(keeper, path, subject, options);
  try {
    return await work({ assertHeld: () => assertToken(path, token, subject) });
  } finally {
    await keeper.ask({ type: "release", path, token });
  }
}

/** Starts what keeps locks, which takes a while, for who is going to need it soon. Nothing is locked yet. */
export function expectLocks(options: Pick<LockOptions, "guardDirectory">): void {
  keeperFor(options);
}

async function acquire(keeper: Keeper, path: string, subject: string, options: LockOptions): Promise<string> {
  const deadline = performance.now() + options.waitSeconds * 1000;
  for (let pause = 5; ; pause = Math.min(pause * 2, 200)) {
    const reply = await keeper.ask({ type: "acquire", path });
    if (reply.outcome === "acquired") return reply.token;
    if (reply.outcome === "failed") {
      throw Object.assign(new Error(`cannot lock ${subject}: ${reply.message}`), { code: reply.errno });
    }
    if (reply.outcome === "held" && performance.now() >= deadline) {
      throw new CacheOpsError("locked", `${subject} is locked by ${reply.holder}`, {
        hint: "Wait until that run is done, then try again.",
      });
    }
    await delay(pause * (0.5 + Math.random()), undefined, { signal: options.signal });
  }
}

function assertToken(path: string, token: string, subject: string): void {
  try {
    if (readFileSync(join(path, OWNER_FILE), "utf8").includes(token)) return;
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  throw new CacheOpsError("locked", `the lock on ${subject} was taken over while it was held`, {
    hint: "This process was stopped for too long. Make a new plan.",
  });
}

/** A lock that was not kept alive for this long is taken over. */
const STALE_SECONDS = 15;

interface Keeper {
  ask(request: Omit<KeeperRequest, "id">): Promise<KeeperReply>;
}

const keepers = new Map<string, Keeper>();

/** One keeper thread a process and guard directory; it does not keep the process alive. */
function keeperFor({
  guardDirectory,
  staleSeconds = STALE_SECONDS,
}: Pick<LockOptions, "guardDirectory" | "staleSeconds">): Keeper {
  const known = keepers.get(guardDirectory);
  if (known !== undefined) return known;
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const workerData: KeeperData = { guardDirectory, staleSeconds };
  const worker = new Worker(new URL(`./lock-keeper.${extension}`, import.meta.url), { workerData });
  const waiting = new Map<number, { resolve: (reply: KeeperReply) => void; reject: (error: unknown) => void }>();
  const unsent: (Omit<KeeperRequest, "id"> & { readonly id: number })[] = [];
  let lastId = 0;
  worker.on("message", (replies: readonly (KeeperReply & { readonly id: number })[]) => {
    for (const reply of replies) {
      waiting.get(reply.id)?.resolve(reply);
      waiting.delete(reply.id);
    }
    if (waiting.size === 0) worker.unref();
  });
  worker.on("error", (error) => {
    keepers.delete(guardDirectory);
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  });
  // Behind the listeners: each of them takes hold of the process again.
  worker.unref();
  const keeper: Keeper = {
    ask: (request) =>
      new Promise((resolve, reject) => {
        lastId += 1;
        waiting.set(lastId, { resolve, reject });
        worker.ref();
        // What is asked for in one turn makes one message, there and back.
        if (unsent.length === 0) setImmediate(() => worker.postMessage(unsent.splice(0)));
        unsent.push({ ...request, id: lastId });
      }),
  };
  keepers.set(guardDirectory, keeper);
  return keeper;
}
