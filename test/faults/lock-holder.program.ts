import { appendFileSync, existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

import { CacheOpsError } from "../../shared/index.ts";
import { withLock, type LockOptions } from "../../shared/lock.ts";

/*
 * A process that takes a lock: `lock-holder MODE LOCK GUARD STALE_SECONDS …`.
 * `hold` says "held", then answers each line it is given: `check` with "ok" or an error code, `block MS` by keeping
 * the main thread busy, `release` by ending. `contend LOG ID ROUNDS HOLD_MS WAIT_S` takes the lock once a round, when
 * the file LOCK.go.N appears (or at once for a negative round count), and logs each time it held it.
 */

const [mode = "", lock = "", guardDirectory = "", stale = "", ...rest] = process.argv.slice(2);
const options = (waitSeconds: number): LockOptions => ({
  guardDirectory,
  signal: new AbortController().signal,
  waitSeconds,
  staleSeconds: Number(stale),
});

async function hold(): Promise<void> {
  await withLock(lock, "the cache", options(0), async (held) => {
    process.stdout.write("held\n");
    for await (const line of createInterface({ input: process.stdin })) {
      const [word, ms] = line.split(" ");
      if (word === "release") return;
      if (word === "block") {
        const end = performance.now() + Number(ms);
        while (performance.now() < end);
      }
      process.stdout.write(`${codeOf(() => held.assertHeld())}\n`);
    }
  });
  process.stdout.write("released\n");
}

async function contend(log: string, id: string, rounds: number, holdMs: number, waitSeconds: number): Promise<void> {
  const waits = rounds > 0;
  for (let round = 0; round < Math.abs(rounds); round += 1) {
    if (waits) appendFileSync(`${log}.ready.${round}`, "x");
    if (waits) await untilThere(`${log}.go.${round}`);
    try {
      await withLock(lock, "the cache", options(waitSeconds), async () => {
        const from = process.hrtime.bigint();
        await delay(holdMs);
        appendFileSync(
          log,
          `${JSON.stringify({ id, round, from: String(from), to: String(process.hrtime.bigint()) })}\n`,
        );
      });
    } catch (error) {
      if (!(error instanceof CacheOpsError) || error.code !== "locked") throw error;
    }
  }
}

async function untilThere(path: string): Promise<void> {
  while (!existsSync(path)) await delay(1);
}

function codeOf(work: () => void): string {
  try {
    work();
    return "ok";
  } catch (error) {
    if (error instanceof CacheOpsError) return error.code;
    throw error;
  }
}

if (mode === "hold") await hold();
else {
  const [log = "", id = "", ...numbers] = rest;
  const [rounds = 0, holdMs = 0, waitSeconds = 0] = numbers.map(Number);
  await contend(log, id, rounds, holdMs, waitSeconds);
}
process.stdin.destroy();
