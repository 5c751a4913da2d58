import { setTimeout as delay } from "node:timers/promises";

import { CacheOpsError } from "./errors.ts";

/**
 * The result of `work`, or the error ETIMEDOUT when it takes longer than `seconds`.
 *
 * For file system calls, which no signal can stop: a share that hangs keeps its thread, but not the caller.
 */
export async function withTimeLimit<T>(work: Promise<T>, seconds: number, what: string): Promise<T> {
  const timer = new AbortController();
  try {
    return await Promise.race([work, expire(seconds, what, timer.signal)]);
  } finally {
    timer.abort();
  }
}

async function expire(seconds: number, what: string, signal: AbortSignal): Promise<never> {
  await delay(seconds * 1000, undefined, { signal });
  throw Object.assign(new Error(`${what}: no answer within ${seconds} s`), { code: "ETIMEDOUT" });
}

/** Throws `interrupted` once the signal is aborted. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new CacheOpsError("interrupted", "stopped before the work was done");
}
