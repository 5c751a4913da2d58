import { clearTimeout, setTimeout } from "node:timers";

import { CacheOpsError } from "./errors.ts";

/**
 * The result of `work`, or the error ETIMEDOUT when it takes longer than `seconds`.
 *
 * For file system calls, which no signal can stop: a share that hangs keeps its thread, but not the caller. Every one of
 * them comes by here, so this is a bare timer: to abort one costs as much as the call itself.
 */
export async function withTimeLimit<T>(work: Promise<T>, seconds: number, what: string): Promise<T> {
  const { promise: expired, reject } = Promise.withResolvers<never>();
  const expire = () =>
    reject(Object.assign(new Error(`${what}: no answer within ${seconds} s`), { code: "ETIMEDOUT" }));
  const timer = setTimeout(expire, seconds * 1000);
  try {
    return await Promise.race([work, expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** Throws `interrupted` once the signal is aborted. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new CacheOpsError("interrupted", "stopped before the work was done");
}
