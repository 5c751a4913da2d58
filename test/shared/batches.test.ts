import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { CacheOpsError, openState, type Context, type State } from "../../shared/index.ts";
import { makeContext } from "../support/context.ts";
import { CACHE } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { applyById, failsWith, makeStaleLibrary, planCleanup, undoById } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";

/** Caches for more batches than are in hand at a time. */
const NAMES = Array.from({ length: 140 }, (_, index) => `film ${index}`);

describe("a run of several batches", () => {
  let root: string;
  let state: State;
  let context: Context;
  let plan: string;
  let original: string[];

  beforeEach(async () => {
    root = makeStaleLibrary(...NAMES);
    state = openState(makePlace("state"));
    context = makeContext({ state: () => state });
    plan = (await planCleanup(context, [root])).plan;
    original = cachesIn(root);
  });

  afterEach(() => state.close());

  it("writes down what it is about to do with a batch together with how earlier ones ended", async () => {
    const { writes, counting } = countWrites(state);
    const report = await applyById(makeContext({ state: () => counting }), plan);
    assert.deepEqual([report.status, report.files], ["complete", NAMES.length]);
    // To begin, for each of three batches, for how the last ones ended, to forget what is old, to end.
    assert.equal(writes(), 7);
    const left = state.get("SELECT count(*) AS open FROM steps WHERE state <> 'done'")?.["open"];
    assert.equal(left, 0);
  });

  it("says how far it is, never less than before, and in the end that all is done", async () => {
    const told: number[] = [];
    await applyById(
      makeContext({ state: () => state, progress: ({ message, done }) => message === "applying" && told.push(done) }),
      plan,
    );
    assert.ok(told.length > 4);
    assert.deepEqual(
      told,
      told.toSorted((a, b) => a - b),
    );
    assert.equal(told.at(-1), NAMES.length);
  });

  for (const broken of [2, 3, 4, 5]) {
    it(`can be undone, or taken up, when it broke off before journal entry ${broken} was durable`, async () => {
      const { writes, counting } = countWrites(state, broken);
      await assert.rejects(applyById(makeContext({ state: () => counting }), plan), failsWith("unavailable"));
      assert.equal(writes(), broken);
      assert.deepEqual(leftIn(root), []);
      const run = String(state.get("SELECT id FROM runs")?.["id"]);
      // Every file that was changed is in the journal with its old bytes.
      const journaled = new Set(state.all("SELECT file FROM steps").map(({ file }) => String(file)));
      const changed = NAMES.filter((name, index) => cachesIn(root)[index] !== original[index] && name);
      assert.ok(changed.length <= journaled.size);
      assert.equal(changed.length > 0, broken > 2);
      letOwnerDie(state, run);
      if (broken % 2 === 0) assert.equal((await undoById(context, run)).restored, changed.length);
      else {
        const report = await applyById(context, plan);
        assert.deepEqual([report.run, report.status, report.files], [run, "complete", NAMES.length]);
        assert.equal((await undoById(context, run)).status, "complete");
      }
      assert.deepEqual(cachesIn(root), original);
      assert.deepEqual(leftIn(root), []);
    });
  }

  it("changes nothing more once its lease is lost, and ends what it has in hand", async () => {
    let looks = 0;
    const report = await applyById(
      makeContext({
        state: () => state,
        fence: async () => {
          looks += 1;
          if (looks > 70) throw new CacheOpsError("locked", "the lease was lost", { hint: "Wait." });
        },
      }),
      plan,
    );
    assert.equal(report.status, "partial");
    assert.ok(report.files > 0 && report.files < NAMES.length);
    assert.equal(report.files + report.refused.length, NAMES.length);
    assert.deepEqual([...new Set(report.refused.map(({ code }) => code))], ["locked"]);
    assert.equal(cachesIn(root).filter((line, index) => line !== original[index]).length, report.files);
  });

  it("says what it waits for when a change takes longer than its time limit, and ends it", async () => {
    const said: string[] = [];
    let looks = 0;
    const report = await applyById(
      makeContext({
        state: () => state,
        config: { timeLimit: "1s" },
        progress: ({ message }) => said.push(message),
        fence: async () => {
          looks += 1;
          // The first one is before anything begins.
          if (looks === 2) await delay(2500);
        },
      }),
      plan,
    );
    assert.equal(report.status, "complete");
    assert.deepEqual(
      said.filter((message) => message.startsWith("waiting")).slice(0, 2),
      [1, 2].map((seconds) => `waiting ${seconds} s for ${root}`),
    );
  });

  it("refuses in any batch what changed since the plan, and does the rest", async () => {
    const touched = [3, 70, 139].map((index) => `film ${index}`);
    for (const name of touched) writeFileSync(join(root, name, CACHE), "{}");
    const report = await applyById(context, plan);
    assert.deepEqual([report.status, report.files], ["partial", NAMES.length - touched.length]);
    assert.deepEqual(
      new Map(report.refused.map(({ file, code }) => [file, code])),
      new Map(touched.map((name) => [join(root, name, CACHE), "stale_plan"])),
    );
  });
});

/** The caches of a library as they are: bytes, mode, owner, times. */
function cachesIn(root: string): string[] {
  return treeState(root).filter((line) => line.includes(CACHE));
}

/** Temp files and locks of ours. */
function leftIn(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name.includes("cache-ops"));
}

/** A store that counts its transactions; that number `broken` fails as on a full disk. */
function countWrites(state: State, broken = Infinity) {
  let count = 0;
  const counting: State = {
    ...state,
    write: (work) => {
      count += 1;
      if (count >= broken) throw new CacheOpsError("unavailable", "the disk is full", { hint: "Free some space." });
      return state.write(work);
    },
  };
  return { writes: () => count, counting };
}

/** Makes the process that carries out a run one that is not there any more. */
function letOwnerDie(state: State, run: string): void {
  const owner = JSON.parse(String(state.get("SELECT owner FROM runs WHERE id = ?", run)?.["owner"])) as object;
  const dead = JSON.stringify({ ...owner, startedAt: "1" });
  state.write(() => state.run("UPDATE runs SET owner = ? WHERE id = ?", dead, run));
}
