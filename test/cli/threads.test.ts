import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";

import { cliEnvironment } from "../support/cli.ts";
import { writeCache } from "../support/library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";

describe("a large library", () => {
  for (const bundle of ["cli", "extension"] as const) {
    it(`is scanned by threads that ship with the bundle of the ${bundle}`, () => {
      const root = makePlace("large");
      for (let index = 0; index < 1500; index += 1) writeCache(makeDirectory(root, `d${index}`), []);
      const copy = join(makePlace("bundle"), "dist");
      cpSync(new URL(`../../${bundle}/dist`, import.meta.url), copy, { recursive: true });
      const check = () => {
        const args = [join(copy, "cache-ops.js"), "check", root, "--json"];
        return spawnSync(execPath, args, { env: cliEnvironment(), encoding: "utf8" });
      };
      const { status, stdout, stderr } = check();
      assert.deepEqual([status, stderr], [0, ""]);
      assert.equal((JSON.parse(stdout) as { caches: number }).caches, 1500);
      // Without their file it does not work, so it was they who did.
      rmSync(join(copy, "scan-thread.js"));
      assert.match(check().stderr, /scan-thread/);
    });
  }
});
