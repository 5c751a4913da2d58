import { mkdtempSync, rmSync } from "node:fs";
import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { CacheOpsError, invoke, openState, operations, type State } from "../../shared/index.ts";
import { withLock } from "../../shared/lock.ts";
import { makeContext } from "../support/context.ts";

/*
 * A process that runs one operation on request: `driver STATE_DIRECTORY`, then a line {operation, input,
 * config}. Before it says "ready" it starts every thread and loads every module it will need, so that a tracer that
 * is attached then sees the work itself and nothing of the start. One line {outcome, output} or {error} comes back.
 */

const [stateDirectory = ""] = process.argv.slice(2);

/** What the driver is asked. */
interface Request {
  readonly operation: string;
  readonly input: Record<string, unknown>;
  readonly config?: Record<string, unknown>;
}

async function warmUp(): Promise<void> {
  const place = mkdtempSync(join(tmpdir(), "cache-ops-test-warm-"));
  const options = { guardDirectory: stateDirectory, signal: new AbortController().signal, waitSeconds: 0 };
  await withLock(join(place, "lock"), "the warm-up", options, async () => stat(place));
  await import("execa");
  openState(join(place, "state")).close();
  rmSync(place, { recursive: true });
}

async function answer({ operation, input, config = {} }: Request): Promise<unknown> {
  let state: State | undefined;
  const context = makeContext({ state: () => (state ??= openState(stateDirectory)), config });
  const named = operations.find(({ name }) => name === operation);
  if (named === undefined) throw new Error(`no operation ${operation}`);
  try {
    const output = await invoke(named, input, context);
    return { outcome: named.outcome(output), output };
  } catch (error) {
    if (!(error instanceof CacheOpsError)) throw error;
    return { outcome: error.code, error: { message: error.message, hint: error.hint } };
  } finally {
    state?.close();
  }
}

await warmUp();
process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  const result = await answer(JSON.parse(line) as Request);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
