import assert from "node:assert/strict";
import { unlinkSync } from "node:fs";
import { join } from "node:path";

import { codeOfErrno, errnoOf, systemError } from "../../shared/errors.ts";
import { CacheOpsError, openState } from "../../shared/index.ts";
import { loadRun } from "../../shared/journal.ts";
import { makeMovies } from "../support/library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { operate, planCleanup } from "./scene.ts";
import { startWorker } from "./workers.ts";

/* The smallest cases of what the long run found. */

describe("an error of the system", () => {
  for (const [number, name] of [
    [116, "ESTALE"],
    [122, "EDQUOT"],
    [37, "ENOLCK"],
    [121, "E121"],
  ] as const) {
    it(`that Node has no name for is called ${name}, and is not taken for a bug of ours`, () => {
      const code = `Unknown system error -${number}`;
      const error = Object.assign(new Error(`${code}: ${code}, open '/x'`), { code, errno: -number });
      assert.equal(errnoOf(error), name);
      assert.equal(codeOfErrno(errnoOf(error)), "unavailable");
      const told = systemError(error, "cannot open /x");
      assert.ok(told instanceof CacheOpsError);
      assert.deepEqual([told.code, told.message], ["unavailable", `cannot open /x: ${name}`]);
    });
  }
});

describe("a call that fails", function () {
  this.timeout(300_000);

  it("after a directory was moved brings it back, so that what is reported as not done is not done", async () => {
    const worker = await startWorker();
    const base = makeDirectory(makePlace("found"), "quarantine");
    let failed = 0;
    try {
      for (let nth = 1; nth <= 4; nth += 1) {
        const fault = { does: "fail", nth, errno: "EIO" } as const;
        const answer = await worker.ask({
          path: "quarantine",
          base,
          fault,
          onlyInLibrary: "fsync",
          thenUndo: true,
        });
        assert.equal(answer?.error, undefined, answer?.error);
        if (answer?.outcome !== "ok") failed += 1;
      }
    } finally {
      worker.stop();
    }
    assert.ok(failed > 0, "no fsync failed");
  });

  it("after a file was put in place leaves what an undo takes back", async () => {
    const worker = await startWorker();
    const base = makeDirectory(makePlace("found"), "restore");
    let hits = 0;
    try {
      for (let nth = 1; nth <= 60; nth += 1) {
        const fault = { does: "fail", nth, errno: "EACCES" } as const;
        const asked = {
          path: "restore",
          base,
          fault,
          kinds: ["reads"],
          onlyInLibrary: "statx",
          thenUndo: true,
        } as const;
        const answer = await worker.ask(asked);
        assert.equal(answer?.error, undefined, answer?.error);
        hits += answer?.hit?.hits ?? 0;
      }
    } finally {
      worker.stop();
    }
    assert.ok(hits > 10, `${hits} calls failed`);
  });

  it("when a scan puts a cache in place makes that scan partial", async () => {
    const worker = await startWorker();
    const base = makeDirectory(makePlace("found"), "scan");
    try {
      const fault = { does: "fail", nth: 1, errno: "EIO" } as const;
      const answer = await worker.ask({ path: "scan", base, fault, onlyInLibrary: "rename", thenUndo: false });
      assert.equal(answer?.error, undefined, answer?.error);
      assert.deepEqual([answer?.hit?.hits, answer?.outcome], [1, "partial"]);
    } finally {
      worker.stop();
    }
  });
});

describe("the journal of a run", () => {
  it("that is damaged is corrupt, and not a bug of ours", async () => {
    const root = makePlace("library");
    const [gone] = makeMovies(join(root, "films"), ["Gone.mkv", "Here.mkv"]);
    unlinkSync(gone ?? "");
    const directory = makePlace("state");
    const { run } = await operate(directory, "apply", { plan: await planCleanup(directory, [root]) });
    const state = openState(directory);
    state.write(() => state.run("UPDATE runs SET work = ? WHERE id = ?", Buffer.from("no gzip"), String(run)));
    assert.throws(() => loadRun(state, String(run)), { code: "corrupt" });
    state.close();
  });
});
