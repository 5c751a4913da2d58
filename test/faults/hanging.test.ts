import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";
import { createInterface } from "node:readline";

import type { Scan } from "../../shared/scan.ts";
import { CACHE, makeMovies } from "../support/library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { programOf } from "../support/program.ts";

const SCANNER = programOf("faults/scanner");

/** A library of 30 directories, one film each. */
function makeLibrary(): string {
  const root = makePlace("hanging");
  for (let index = 0; index < 30; index += 1) makeMovies(makeDirectory(root, `d${index}`), [`${index}.mkv`]);
  return root;
}

/** Scans by threads, in a process for which these calls on `path` come back after ten minutes. */
async function scanHanging(root: string, path: string, calls: string, ...args: readonly string[]): Promise<unknown> {
  const hang = ["-f", "-qq", "-o", "/dev/null", "-P", path, "-e", `inject=${calls}:delay_enter=600s`];
  const child = spawn("strace", [...hang, execPath, SCANNER, root, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line) as unknown;
    throw new Error("the scan said nothing");
  } finally {
    // What it traces goes with it.
    child.kill("SIGKILL");
  }
}

describe("a scan by threads of a library that hangs", () => {
  for (const [what, at, calls, expected] of [
    ["directory", ["d7"], "openat", { caches: 29, problems: [], troubles: ["d7 ETIMEDOUT"] }],
    [
      "cache file",
      ["d7", CACHE],
      "openat",
      { caches: 29, problems: ["d7 cache_unreadable"], troubles: [`d7/${CACHE} ETIMEDOUT`] },
    ],
    ["media file", ["d7", "7.mkv"], "statx", { caches: 30, problems: ["d7 media_unreadable"], troubles: [] }],
  ] as const) {
    it(`at a ${what} says so within its time limit and finds all the rest`, async () => {
      const root = makeLibrary();
      const scan = (await scanHanging(root, join(root, ...at), calls)) as Scan;
      const below = (path: string) => path.slice(root.length + 1);
      assert.deepEqual(
        {
          caches: scan.caches.length,
          problems: scan.found.map(({ finding }) => `${below(finding.cache).split("/")[0]} ${finding.reason.rule}`),
          troubles: scan.troubles.map(({ path, code }) => `${below(path)} ${code}`),
        },
        expected,
      );
    });
  }

  it("at a lock takes the directory for in use", async () => {
    const root = makeLibrary();
    const lock = join(root, "d7", "7.mkv.lock");
    writeFileSync(lock, "");
    const { caches } = (await scanHanging(root, lock, "statx")) as Scan;
    const inUse = caches.filter(({ inUseBy }) => inUseBy !== undefined);
    assert.deepEqual(
      inUse.map(({ cache, inUseBy }) => [cache, inUseBy]),
      [[join(root, "d7", CACHE), "7.mkv.lock"]],
    );
    assert.equal(caches.length, 30);
  });

  it("ends as soon as it is told to", async () => {
    const root = makeLibrary();
    const error = await scanHanging(root, join(root, "d7"), "openat", "stop");
    assert.deepEqual(error, { code: "interrupted" });
  });
});
