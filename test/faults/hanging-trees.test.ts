import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";
import { createInterface } from "node:readline";

import { makePlace } from "../support/place.ts";
import { programOf } from "../support/program.ts";

const MEASURER = programOf("faults/measurer");

/** Measures by threads, in a process for which these calls on `path` come back after ten minutes. */
async function measureHanging(root: string, path: string, calls: string): Promise<unknown> {
  const hang = ["-f", "-qq", "-o", "/dev/null", "-P", path, "-e", `inject=${calls}:delay_enter=600s`];
  const child = spawn("strace", [...hang, execPath, MEASURER, root], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line) as unknown;
    throw new Error("the measurer said nothing");
  } finally {
    // What it traces goes with it.
    child.kill("SIGKILL");
  }
}

describe("threads that measure trees of which one hangs", () => {
  for (const [what, at, calls, expected] of [
    ["when it is read", ["d7"], "openat", [0, "ETIMEDOUT"]],
    ["at one of its files", ["d7", "film"], "statx", [0, "ETIMEDOUT"]],
  ] as const) {
    it(`${what} leave it within the time limit, and find all the rest`, async () => {
      const root = makePlace("hanging");
      for (let index = 0; index < 30; index += 1) {
        mkdirSync(join(root, `d${index}`));
        writeFileSync(join(root, `d${index}`, "film"), "x".repeat(100 + index));
      }
      const wanted = Array.from({ length: 30 }, (_, index) => [`d${index}`, index === 7 ? expected : [100 + index]]);
      assert.deepEqual(await measureHanging(root, join(root, ...at), calls), Object.fromEntries(wanted));
    });
  }
});
