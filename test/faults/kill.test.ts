import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";

import { CACHE } from "../support/library.ts";
import { keepCopies, leftoversIn, letLocksAge, makeScene, operate, treeWithoutTimes, type Scene } from "./scene.ts";
import { injectAt, recordPoints, startDriver, spread, touching } from "./traced.ts";

/** How many points of a recording are killed at: all of them with CACHE_OPS_FAULT_ROUNDS=all. */
const ROUNDS = env["CACHE_OPS_FAULT_ROUNDS"] === "all" ? Infinity : Number(env["CACHE_OPS_FAULT_ROUNDS"] ?? 4);

describe("kill -9 at a write-side system call", function () {
  this.timeout(3_600_000);
  let scene: Scene;
  let original: string[];
  let after: string[];
  let contents: Map<string, (string | undefined)[]>;
  let runId: string;
  let resetToApplied: () => void;

  before(async () => {
    scene = await makeScene();
    original = treeWithoutTimes(scene.root);
    const old = contentsOf(scene.root);
    const report = await operate(scene.state, "apply", { plan: scene.plan });
    assert.equal(report["status"], "complete");
    runId = String(report["run"]);
    after = changedTree(scene.root);
    const now = contentsOf(scene.root);
    contents = new Map(
      [...new Set([...old.keys(), ...now.keys()])].map((file) => [file, [old.get(file), now.get(file)]]),
    );
    resetToApplied = keepCopies([scene.root, scene.state]);
  });

  it("during an apply leaves every cache old or new, and apply completes or undo restores without help", async () => {
    await killEverywhere(scene.reset, "apply", { plan: scene.plan }, async (round) => {
      if (round % 2 === 0) {
        await operate(scene.state, "apply", { plan: scene.plan });
        assert.deepEqual(changedTree(scene.root), after);
        return;
      }
      const { runs } = (await operate(scene.state, "history", {})) as { runs: { run: string; status: string }[] };
      const [interrupted] = runs;
      // Killed before the run was begun: nothing happened, and there is nothing to undo.
      if (interrupted !== undefined) await operate(scene.state, "undo", { run: interrupted.run });
      assert.deepEqual(withoutOldLock(treeWithoutTimes(scene.root)), withoutOldLock(original));
    });
  });

  it("during an undo leaves every cache old or new, and the same undo asked for again restores everything", async () => {
    await killEverywhere(resetToApplied, "undo", { run: runId }, async () => {
      const report = await operate(scene.state, "undo", { run: runId });
      assert.equal(report["status"], "complete");
      assert.deepEqual(withoutOldLock(treeWithoutTimes(scene.root)), withoutOldLock(original));
      const { runs } = (await operate(scene.state, "history", {})) as { runs: { status: string }[] };
      assert.deepEqual(
        runs.filter(({ status }) => status === "interrupted" || status === "running"),
        [],
      );
    });
  });

  async function killEverywhere(
    reset: () => void,
    operation: string,
    input: Record<string, unknown>,
    recover: (round: number) => Promise<void>,
  ): Promise<void> {
    reset();
    const recorder = await startDriver(scene.state);
    const { answer, points } = await recordPoints(recorder, touching(recorder, [scene.root, scene.state]), () =>
      recorder.run(operation, input),
    );
    assert.equal(answer?.outcome, "ok");
    const chosen = spread(points, ROUNDS);
    let next = startDriver(scene.state);
    let kills = 0;
    for (const [round, point] of chosen.entries()) {
      const driver = await next;
      next = startDriver(scene.state);
      reset();
      const { hit } = await injectAt(driver, point, "signal=KILL", () => driver.run(operation, input));
      if (hit) kills += 1;
      const label = `${operation}, round ${round}, killed at ${point.thread} ${point.shown}`;
      try {
        for (const [file, allowed] of contents) {
          const now = existsSync(file) ? readFileSync(file, "latin1") : undefined;
          assert.ok(allowed.includes(now), `${file} is neither old nor new: ${String(now)}`);
        }
        letLocksAge(scene.root);
        await recover(round);
        assert.deepEqual(
          leftoversIn(scene.root).filter((name) => !name.startsWith("locked/")),
          [],
        );
      } catch (error) {
        throw new Error(`${label}: ${String(error)}`, { cause: error });
      }
    }
    await (await next).stop();
    assert.ok(kills > chosen.length / 2, `${kills} of ${chosen.length} runs were killed`);
  }
});

/** A tree after a cleanup: caches are new files, so their times differ from run to run. */
function changedTree(root: string): string[] {
  return treeWithoutTimes(root, /\.mediabox_cache\.json$/);
}

/** An abandoned lock that a plan released is not put back by an undo. */
function withoutOldLock(lines: readonly string[]): string[] {
  return lines.filter((line) => !line.startsWith(`./locked/${CACHE}.cache-ops-lock`));
}

function contentsOf(root: string): Map<string, string> {
  const names = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name.includes(CACHE));
  const files = names.filter((name) => !name.includes("cache-ops-lock")).map((name) => join(root, name));
  return new Map(files.map((file) => [file, readFileSync(file, "latin1")]));
}
