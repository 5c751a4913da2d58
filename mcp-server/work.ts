import { setTimeout as delay } from "node:timers/promises";

import { CacheOpsError, invoke, systemError, type Context, type Operation, type Outcome } from "@cache-ops/shared";

/** An output of an operation. */
export type Output = Readonly<Record<string, unknown>>;

/** Who asked for a piece of work. */
export type Face = "mcp" | "rest" | "schedule";

/** What was done and how it ended, for log, metrics and notifications. */
export interface Done {
  readonly operation: Operation;
  readonly face: Face;
  readonly outcome: Outcome;
  readonly seconds: number;
  /** `undefined` when it ended with an error. */
  readonly output: Output | undefined;
  readonly error: unknown;
}

/** The work of one server: one change at a time, and whoever wants to know what was done. */
export interface Work {
  changing: Promise<unknown>;
  /** What is being done now, also what waits for its turn. */
  readonly running: Set<Promise<unknown>>;
  readonly observers: Set<(done: Done) => void>;
  /** Whatever is to end when the server does. */
  readonly stops: Set<AbortController>;
}

/** No work yet. */
export function makeWork(): Work {
  return { changing: Promise.resolve(), running: new Set(), observers: new Set(), stops: new Set() };
}

/** Runs an operation; those that change something one after the other. Throws what it throws. */
export async function carryOut(
  operation: Operation,
  input: unknown,
  context: Context,
  work: Work,
  face: Face,
): Promise<Output> {
  const start = async () => {
    const startedAt = performance.now();
    const told = (outcome: Outcome, output: Output | undefined, error?: unknown) => {
      const seconds = (performance.now() - startedAt) / 1000;
      for (const observe of work.observers) observe({ operation, face, outcome, seconds, output, error });
    };
    try {
      context.signal.throwIfAborted();
      const output = (await invoke(operation, input, context)) as Output;
      told(operation.outcome(output), output);
      return output;
    } catch (error) {
      const wasStopped = context.signal.aborted && error === context.signal.reason;
      told(wasStopped ? "interrupted" : (errorOf(error, operation)?.code ?? "internal"), undefined, error);
      throw error;
    }
  };
  const done = operation.effect === "read" ? start() : work.changing.then(start, start);
  if (operation.effect !== "read") work.changing = done;
  work.running.add(done);
  try {
    return await done;
  } finally {
    work.running.delete(done);
  }
}

/** Runs something that ends when the caller goes away (`undefined`: nobody waits for it) or the server stops. */
export async function stoppable<T>(
  { stops }: Work,
  caller: AbortSignal | undefined,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  // Without the caller's own reason: an AbortError says what happened.
  const onAbort = () => stop.abort();
  if (caller?.aborted === true) stop.abort();
  caller?.addEventListener("abort", onAbort);
  stops.add(stop);
  try {
    return await run(stop.signal);
  } finally {
    stops.delete(stop);
    caller?.removeEventListener("abort", onAbort);
  }
}

/**
 * Lets work end by itself for some seconds, then stops it at its next safe point and waits as long again. Work that is
 * still not over then is left: its run is taken up by the next `apply` or `undo`.
 */
export async function stopWork(work: Work, graceSeconds: number): Promise<void> {
  await within(graceSeconds, work);
  for (const stop of work.stops) stop.abort();
  await within(graceSeconds, work);
}

async function within(seconds: number, { running }: Work): Promise<void> {
  const patience = new AbortController();
  const over = (async () => {
    while (running.size > 0) await Promise.allSettled(running);
  })();
  await Promise.race([over, delay(seconds * 1000, undefined, { signal: patience.signal }).catch(ignoreAbort)]);
  patience.abort();
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error) || error.name !== "AbortError") throw error;
}

/** An error as one of ours: also a failed system call, and work that was stopped. `undefined` when it is a bug. */
export function errorOf(error: unknown, { name }: Pick<Operation, "name">): CacheOpsError | undefined {
  if (error instanceof Error && error.name === "AbortError") {
    return new CacheOpsError("interrupted", `${name} was stopped on request`, {
      hint: "history shows what was done; ask again for the rest.",
      cause: error,
    });
  }
  const known = systemError(error, `${name} failed`);
  return known instanceof CacheOpsError ? known : undefined;
}
