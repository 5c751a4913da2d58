import { clearInterval, clearTimeout, setInterval, setTimeout } from "node:timers";

import { CacheOpsError } from "./errors.ts";

/*
 * Time limits for calls of the file system. No signal stops such a call: a share that hangs keeps its thread of the pool
 * (libuv), but not the caller. When no thread is left, nothing works any more, whatever it is about. So:
 *
 * (H1) What hangs is not asked a second time before it has answered: a service that looks every minute keeps one thread.
 * (H2) Where several calls hang, nothing more is asked before one of them has answered: of a thousand links to a dead
 *      share not each takes its limit, and its thread.
 */

/** So many calls about the same storage may hang. The pool has to have more threads: see `cli/main.ts`. */
const MOST_HANGING = 4;

/** How many calls hang, by what they are about and by where that is. */
const hanging = new Map<string, number>();
let all = 0;

/** How many calls of the file system hang. As long as there is one, Node cannot end: it waits for its threads. */
export function countHanging(): number {
  return all;
}

/** Notes that a call of the file system hangs until this settles. */
export function noteHanging(until: Promise<unknown>): void {
  all += 1;
  const settled = () => void (all -= 1);
  until.then(settled, settled);
}

/**
 * The result of a call of the file system, or the error ETIMEDOUT when it takes longer than `seconds`. `what` names the
 * path it is about, and `where` what hangs together with it, if there may be very much of that.
 */
export async function withTimeLimit<T>(
  call: () => Promise<T>,
  seconds: number,
  what: string,
  where?: string,
): Promise<T> {
  const isWhereSilent = where !== undefined && (hanging.get(where) ?? 0) >= MOST_HANGING;
  if (isWhereSilent || hanging.has(what)) throw timedOut(what, seconds);
  const work = call();
  return answerWithin(work, seconds, what, () => {
    noteHanging(work);
    for (const key of where === undefined ? [what] : [what, where]) count(key, work);
  });
}

function count(key: string, work: Promise<unknown>): void {
  hanging.set(key, (hanging.get(key) ?? 0) + 1);
  const answered = () => {
    const others = (hanging.get(key) ?? 1) - 1;
    if (others > 0) hanging.set(key, others);
    else hanging.delete(key);
  };
  work.then(answered, answered);
}

/**
 * The result of `work`, or the error ETIMEDOUT when it takes longer than `seconds`; `givenUp` is called then.
 *
 * Every call of the file system comes by here, so this is a bare timer: to abort one costs as much as the call itself.
 */
export async function answerWithin<T>(
  work: Promise<T>,
  seconds: number,
  what: string,
  givenUp?: () => void,
): Promise<T> {
  const { promise: expired, reject } = Promise.withResolvers<never>();
  const expire = () => {
    givenUp?.();
    reject(timedOut(what, seconds));
  };
  const timer = setTimeout(expire, seconds * 1000);
  try {
    return await Promise.race([work, expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** The result of `work`, which is waited for however long it takes: after each `seconds` `say` is told how long it was. */
export async function waitAloud<T>(work: Promise<T>, seconds: number, say: (passed: number) => void): Promise<T> {
  let passed = 0;
  const timer = setInterval(() => say((passed += seconds)), seconds * 1000);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}

function timedOut(what: string, seconds: number): Error {
  return Object.assign(new Error(`${what}: no answer within ${seconds} s`), { code: "ETIMEDOUT" });
}

/** Throws `interrupted` once the signal is aborted. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new CacheOpsError("interrupted", "stopped before the work was done");
}
