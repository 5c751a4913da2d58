import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

import { CacheOpsError } from "../../shared/index.ts";
import { withLock } from "../../shared/lock.ts";

/*
 * A process that counts in a file under a lock: `lock-counter LOCK GUARD STALE_SECONDS FILE ID TIMES BLOCK_EVERY`.
 * It says "got" and when, "counted" and when, for each time. Now and then its main thread is busy for longer than a
 * lock lives. Who lost the lock does not count.
 */

const [lock = "", guardDirectory = "", stale = "", file = "", id = "", times = "", blockEvery = ""] =
  process.argv.slice(2);
const staleSeconds = Number(stale);
const options = { guardDirectory, signal: new AbortController().signal, waitSeconds: 60, staleSeconds };
const say = (word: string) => process.stdout.write(`${word} ${process.hrtime.bigint()}\n`);

let counted = 0;
while (counted < Number(times)) {
  try {
    await withLock(lock, "the counter", options, async (held) => {
      say("got");
      const before = Number(readFileSync(file, "utf8"));
      await delay(Math.random() * 2);
      if (Number(blockEvery) > 0 && counted % Number(blockEvery) === Number(blockEvery) - 1) {
        const end = performance.now() + staleSeconds * 1500;
        while (performance.now() < end);
      }
      writeFileSync(`${file}.${id}`, String(before + 1));
      held.assertHeld();
      renameSync(`${file}.${id}`, file);
      counted += 1;
      say("counted");
    });
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code !== "locked") throw error;
    say("lost");
  }
}
