import { writeSync } from "node:fs";
import { argv } from "node:process";

import { scanDirectories } from "../../shared/caches/directory/scan.ts";
import { CacheOpsError, Configuration, parse, type Context } from "../../shared/index.ts";
import { inspectRoot } from "../../shared/passport.ts";

/* A process that scans one root by threads, writes what it found, and is killed then: calls that hang do not
 * let it end. */

const [root = "", stops] = argv.slice(2);
const stop = new AbortController();
const context: Context = {
  now: () => Date.now(),
  signal: stop.signal,
  // By then threads are at work, and one of them hangs or is about to.
  progress: ({ done }) => {
    if (stops !== undefined && done > 1) stop.abort();
  },
  log: () => undefined,
  state: () => {
    throw new Error("a scan needs no state");
  },
  configuration: parse(Configuration, { timeLimit: stops === undefined ? "2s" : "10m" }, "configuration"),
};
const state = await inspectRoot(root, 30);
if (state.state !== "healthy") throw new Error(state.state);
let result: unknown;
try {
  result = await scanDirectories([state.passport], context, { threadsAfterMs: 0 });
} catch (error) {
  if (!(error instanceof CacheOpsError)) throw error;
  result = { code: error.code };
}
writeSync(1, `${JSON.stringify(result)}\n`);
