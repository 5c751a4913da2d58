import { clearTimeout, setTimeout } from "node:timers";

/**
 * The answer to a question that is given up with its signal: when the caller gives up, or after `limitSeconds`.
 *
 * It is not left to the client alone: of an answer that breaks off in the middle it never says a word. Throws what the
 * question throws, or the signal's reason (`AbortError`, `TimeoutError`).
 */
export async function answerWithin<T>(
  limitSeconds: number,
  signal: AbortSignal,
  question: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const abortSignal = AbortSignal.any([signal, over.signal]);
  abortSignal.throwIfAborted();
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  const giveUp = () => reject(abortSignal.reason as Error);
  abortSignal.addEventListener("abort", giveUp, { once: true });
  const timer = setTimeout(() => over.abort(new DOMException("the time is over", "TimeoutError")), limitSeconds * 1000);
  try {
    return await Promise.race([question(abortSignal), givenUp]);
  } finally {
    clearTimeout(timer);
    abortSignal.removeEventListener("abort", giveUp);
  }
}
