import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  lchownSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { getuid } from "node:process";

import * as fc from "fast-check";

import { CacheOpsError, invoke, type Context } from "../../shared/index.ts";
import { history } from "../../shared/operations/history.ts";
import { undo } from "../../shared/operations/undo.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, makeMovies } from "../support/library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { applyById, failsWith, makeStaleLibrary, planCleanup, undoById } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";

async function cleanUp(context: Context, root: string, input: Record<string, unknown> = {}) {
  const plan = await planCleanup(context, [root], input);
  return applyById(context, plan.plan);
}

describe("undo", () => {
  it("restores bytes, mode, owner and times exactly", async () => {
    const context = makeContext();
    const root = makeStaleLibrary("a", "b");
    chmodSync(join(root, "a", CACHE), 0o640);
    if (getuid?.() === 0) lchownSync(join(root, "b", CACHE), 1234, 5678);
    const before = treeState(root);
    const { run } = await cleanUp(context, root);
    assert.notDeepEqual(treeState(root), before);
    const undone = await undoById(context, run);
    assert.deepEqual([undone.status, undone.undoes, undone.restored], ["complete", run, 2]);
    assert.deepEqual(treeState(root), before);
  });

  it("keeps mode and owner already while applying", async () => {
    const context = makeContext();
    const root = makeStaleLibrary("a");
    chmodSync(join(root, "a", CACHE), 0o604);
    const attributes = () =>
      treeState(root)
        .find((line) => line.includes(CACHE))
        ?.split(" ")
        .slice(1, 4);
    const before = attributes();
    await cleanUp(context, root);
    assert.deepEqual(attributes(), before);
  });

  it("asked for twice returns the same report and changes nothing more", async () => {
    const context = makeContext();
    const root = makeStaleLibrary("a", "b");
    const { run } = await cleanUp(context, root);
    const first = await undoById(context, run);
    const restored = treeState(root);
    assert.deepEqual(await undoById(context, run), first);
    assert.deepEqual(treeState(root), restored);
  });

  it("of an undo gives the applied tree again, and can be gone back and forth", async () => {
    const context = makeContext();
    const root = makeStaleLibrary("a", "b");
    const before = treeState(root);
    const { run } = await cleanUp(context, root);
    const applied = treeState(root);
    const undone = await undoById(context, run);
    assert.deepEqual(treeState(root), before);
    const redone = await undoById(context, undone.run);
    assert.deepEqual([redone.status, redone.undoes], ["complete", undone.run]);
    assert.deepEqual(treeState(root), applied);
    assert.deepEqual(
      (await invoke(history, { run }, context)).runs.map(({ undoneBy, canUndo }) => [undoneBy, canUndo]),
      [[null, true]],
    );
    const again = await undoById(context, run);
    assert.deepEqual([again.status, again.undoes, again.restored], ["complete", run, 2]);
    assert.notEqual(again.run, undone.run);
    assert.deepEqual(treeState(root), before);
  });

  it("refuses a file that changed since, leaves it, and restores the others", async () => {
    const context = makeContext();
    const root = makeStaleLibrary("a", "b");
    const original = readFileSync(join(root, "b", CACHE));
    const { run } = await cleanUp(context, root);
    writeFileSync(join(root, "a", CACHE), "{}");
    const undone = await undoById(context, run);
    assert.deepEqual([undone.status, undone.restored], ["partial", 1]);
    assert.deepEqual(
      undone.refused.map(({ file, code }) => [file, code]),
      [[join(root, "a", CACHE), "stale_plan"]],
    );
    assert.equal(readFileSync(join(root, "a", CACHE), "utf8"), "{}");
    assert.deepEqual(readFileSync(join(root, "b", CACHE)), original);
  });

  it("that was partial can be asked for again, and finishes once the file is as the run left it", async () => {
    const context = makeContext();
    const root = makeStaleLibrary("a", "b");
    const original = readFileSync(join(root, "a", CACHE));
    const { run } = await cleanUp(context, root);
    const applied = readFileSync(join(root, "a", CACHE));
    writeFileSync(join(root, "a", CACHE), "{}");
    await undoById(context, run);
    writeFileSync(join(root, "a", CACHE), applied);
    const second = await undoById(context, run);
    assert.deepEqual([second.status, second.restored], ["complete", 1]);
    assert.deepEqual(readFileSync(join(root, "a", CACHE)), original);
  });

  it("refuses to bring back a file that was deleted since", async () => {
    const context = makeContext();
    const root = makeStaleLibrary("a", "b");
    const { run } = await cleanUp(context, root);
    unlinkSync(join(root, "a", CACHE));
    const undone = await undoById(context, run);
    assert.deepEqual([undone.status, undone.refused[0]?.file], ["partial", join(root, "a", CACHE)]);
    assert.ok(!existsSync(join(root, "a", CACHE)));
  });

  it("of a run is refused while a later run's change of the same file stands, and works after that is undone", async () => {
    const context = makeContext();
    const root = makePlace("library");
    const media = makeMovies(join(root, "a"), ["one.mkv", "two.mkv", "three.mkv", "four.mkv"]);
    rmSync(media[0] ?? "");
    const before = treeState(root);
    const first = await cleanUp(context, root);
    rmSync(media[1] ?? "");
    const between = treeState(root);
    const second = await cleanUp(context, root);
    const after = treeState(root).slice(2);
    const early = await undoById(context, first.run);
    assert.deepEqual([early.status, early.refused[0]?.code], ["refused", "stale_plan"]);
    assert.deepEqual(treeState(root).slice(2), after);
    assert.equal((await undoById(context, second.run)).status, "complete");
    assert.deepEqual(treeState(root).slice(2), between.slice(2));
    assert.equal((await undoById(context, first.run)).status, "complete");
    const cacheLine = (lines: readonly string[]) => lines.find((line) => line.includes(CACHE));
    assert.equal(cacheLine(treeState(root)), cacheLine(before));
  });

  it("brings back leftovers that were discarded and removes caches that were made", async () => {
    const context = makeContext();
    const root = makeStaleLibrary("a", "b");
    const temp = join(root, "a", `${CACHE}.tmp`);
    writeFileSync(temp, "half a cac");
    utimesSync(temp, 1_700_000_000, 1_700_000_000.25);
    renameSync(join(root, "b", "b one.mkv"), join(makeDirectory(root, "c"), "b one.mkv"));
    const before = treeState(root);
    const report = await cleanUp(context, root);
    assert.deepEqual(report.outcomes?.map(({ change, outcome }) => `${change.does} ${outcome}`).toSorted(), [
      "discard done",
      "rehome done",
      "remove done",
      "remove done",
    ]);
    assert.ok(existsSync(join(root, "c", CACHE)) && !existsSync(temp));
    assert.equal((await undoById(context, report.run)).status, "complete");
    assert.deepEqual(treeState(root), before);
  });

  it("of a run that is not known is not found", async () => {
    const context = makeContext();
    await assert.rejects(undoById(context, "run-unknown"), failsWith("not_found"));
    await assert.rejects(undoById(context, "last"), failsWith("not_found", /could be undone/));
  });

  it("of the last run takes the newest that changed something and was not undone", async () => {
    const context = makeContext();
    const [one, two] = [makeStaleLibrary("a"), makeStaleLibrary("b")];
    const [first, second] = [await cleanUp(context, one), await cleanUp(context, two)];
    await cleanUp(context, two);
    assert.equal((await invoke(undo, { run: "last" }, context)).undoes, second.run);
    assert.equal((await invoke(undo, { run: "last" }, context)).undoes, first.run);
    await assert.rejects(invoke(undo, { run: "last" }, context), failsWith("not_found"));
  });

  it("is refused when retention gave the backups up", async () => {
    let time = Date.now();
    const context = makeContext({ now: () => time, config: { retention: { age: "1d" } } });
    const [one, two] = [makeStaleLibrary("a"), makeStaleLibrary("b")];
    const { run } = await cleanUp(context, one);
    time += 86_400_000 + 1000;
    await cleanUp(context, two, { allow: ["clock_skew"] });
    const left = treeState(one);
    await assert.rejects(undoById(context, run), failsWith("expired_plan", /backups/));
    assert.deepEqual(treeState(one), left);
  });

  it("stays possible for the newest run when backups are limited by size, and the older says so", async () => {
    const roomy = makeContext();
    const state = roomy.state();
    const [one, two] = [makeStaleLibrary("a"), makeStaleLibrary("b")];
    const before = treeState(two);
    const first = await cleanUp(roomy, one);
    const used = Number(state.get("SELECT sum(length(bytes)) AS used FROM blobs")?.["used"]);
    assert.ok(used > 0);
    const context = makeContext({ state: () => state, config: { retention: { maxBytes: used + 50 } } });
    const second = await cleanUp(context, two);
    await assert.rejects(undoById(context, first.run), failsWith("expired_plan"));
    assert.equal((await undoById(context, second.run)).status, "complete");
    assert.deepEqual(treeState(two), before);
  });
});

describe("a run that is stopped", () => {
  const names = Array.from({ length: 40 }, (_, index) => `film ${index}`);

  /** Applies a plan and aborts at a chosen moment: the n-th time the work looks at the clock. */
  async function stopAt(moment: number) {
    const stop = new AbortController();
    let looks = -Infinity;
    const context = makeContext({
      signal: stop.signal,
      now: () => {
        looks += 1;
        if (looks >= moment) stop.abort();
        return Date.now();
      },
    });
    const root = makeStaleLibrary(...names);
    const before = treeState(root);
    const { plan } = await planCleanup(context, [root]);
    looks = 0;
    const report = await applyById(context, plan).catch((error: unknown) => {
      assert.ok(error instanceof CacheOpsError && error.code === "interrupted", String(error));
      return undefined;
    });
    const state = context.state();
    return { root, before, plan, report, again: makeContext({ state: () => state }) };
  }

  it("says how many files were not tried, is cancelled in the history, and undoes what it did", async () => {
    const { root, before, report, again } = await stopAt(100);
    assert.ok(report !== undefined);
    assert.equal(report.status, "cancelled");
    assert.equal(report.files + report.notTried, 40);
    assert.ok(report.files > 0 && report.notTried > 0, JSON.stringify([report.files, report.notTried]));
    const { runs } = await invoke(history, {}, again);
    assert.deepEqual(
      runs.map(({ run, status, entries, canUndo }) => [run, status, entries, canUndo]),
      [[report.run, "cancelled", report.entries, true]],
    );
    const undone = await undoById(again, report.run);
    assert.deepEqual([undone.status, undone.restored], ["complete", report.files]);
    assert.deepEqual(treeState(root), before);
  });

  it("is consistent wherever it stops: every cache is old or new, the report counts the new ones, undo restores all", async () => {
    const property = fc.asyncProperty(fc.integer({ min: 0, max: 130 }), async (moment) => {
      const { root, before, plan, report, again } = await stopAt(moment);
      const changed = names.filter((name) => !readFileSync(join(root, name, CACHE), "utf8").includes("gone.mkv"));
      if (report === undefined) {
        assert.deepEqual(changed, []);
        return;
      }
      assert.equal(report.files, changed.length);
      assert.equal(report.entries, changed.length);
      assert.deepEqual(await applyById(again, plan), report, "asking again returns the report");
      if (changed.length > 0) assert.equal((await undoById(again, report.run)).status, "complete");
      assert.deepEqual(treeState(root), before);
    });
    await fc.assert(property, { numRuns: 6 });
  });
});
