import assert from "node:assert/strict";
import { existsSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";

import { makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";
import { fill, managedSettings, setAge } from "../shared/managed/managed-place.ts";
import { letQuarantineLocksAge, operate, treeWithoutTimes } from "./scene.ts";
import { injectAt, recordPoints, startDriver, spread, touching } from "./traced.ts";

/** How many points of a recording are killed at: all of them with CACHE_OPS_FAULT_ROUNDS=all. */
const ROUNDS = env["CACHE_OPS_FAULT_ROUNDS"] === "all" ? Infinity : Number(env["CACHE_OPS_FAULT_ROUNDS"] ?? 2);
const QUARANTINE = ".cache-ops-quarantine";
const NAMES = ["first", "second", "third"] as const;

interface Scene {
  readonly root: string;
  readonly state: string;
  readonly config: Record<string, unknown>;
  /** What the test starts from, without times. */
  readonly original: readonly string[];
}

/** Three directories that are to go: each holds files, a directory and a link. */
async function makeScene(quarantine: string): Promise<Scene> {
  const root = makePlace("managed");
  const state = makePlace("state");
  const config = { managed: [managedSettings(root, { quarantine })] };
  fill(root, "stays/film.bin", 10);
  for (const name of NAMES) {
    fill(root, `${name}/film.bin`, 1000);
    fill(root, `${name}/deep/other.bin`, 10);
    symlinkSync("film.bin", join(root, name, "link"));
    setAge(join(root, name), 86_400);
    await operate(state, "register", { path: name }, { config });
  }
  return { root, state, config, original: treeWithoutTimes(root) };
}

async function planEviction({ state, config }: Scene): Promise<string> {
  const { plan, status } = await operate(state, "evict", { paths: [...NAMES], allow: ["in_use"] }, { config });
  assert.equal(status, "ready");
  return String(plan);
}

describe("kill -9 at a write-side system call of an eviction", function () {
  this.timeout(3_600_000);

  it("to the quarantine leaves every directory whole, here or there, and apply goes on or undo puts all back", async () => {
    await killEverywhere("24h", async (scene, plan, round) => {
      for (const name of NAMES) assertWhole(scene, name);
      if (round % 2 === 0) {
        const report = await operate(scene.state, "apply", { plan }, { config: scene.config });
        assert.equal(report["status"], "complete", JSON.stringify(report["refused"]));
        assert.deepEqual(namesIn(scene.root), ["stays"]);
        assert.equal(readdirSync(join(scene.root, QUARANTINE)).length, NAMES.length);
        return;
      }
      const { runs } = (await operate(scene.state, "history", {}, { config: scene.config })) as {
        runs: { run: string }[];
      };
      const [interrupted] = runs;
      // Killed before the run was begun: nothing happened, and there is nothing to undo.
      if (interrupted !== undefined)
        await operate(scene.state, "undo", { run: interrupted.run }, { config: scene.config });
      assert.deepEqual(withoutQuarantine(treeWithoutTimes(scene.root)), withoutQuarantine(scene.original));
    });
  });

  it("for good leaves every directory whole or gone from its place, and apply finishes it", async () => {
    await killEverywhere("0s", async (scene, plan) => {
      for (const name of NAMES) if (existsSync(join(scene.root, name))) assertWhole(scene, name);
      const report = await operate(scene.state, "apply", { plan }, { config: scene.config });
      assert.equal(report["status"], "complete", JSON.stringify(report["refused"]));
      assert.deepEqual(namesIn(scene.root), ["stays"]);
      assert.deepEqual(readdirSync(join(scene.root, QUARANTINE)), []);
    });
  });
});

async function killEverywhere(
  quarantine: string,
  recover: (scene: Scene, plan: string, round: number) => Promise<void>,
): Promise<void> {
  const recorded = await makeScene(quarantine);
  const plan = await planEviction(recorded);
  const recorder = await startDriver(recorded.state);
  const { answer, points } = await recordPoints(recorder, touching(recorder, [recorded.root, recorded.state]), () =>
    recorder.run("apply", { plan }, recorded.config),
  );
  assert.equal(answer?.outcome, "ok", JSON.stringify(answer));
  const chosen = spread(points, ROUNDS);
  let kills = 0;
  for (const [round, point] of chosen.entries()) {
    const scene = await makeScene(quarantine);
    const own = await planEviction(scene);
    const driver = await startDriver(scene.state);
    const { hit } = await injectAt(driver, point, "signal=KILL", () =>
      driver.run("apply", { plan: own }, scene.config),
    );
    if (hit) kills += 1;
    try {
      letQuarantineLocksAge(scene.root);
      await recover(scene, own, round);
      const { directories } = await totals(scene);
      assert.equal(directories, namesIn(scene.root).length - 1, "the register knows what is there");
    } catch (error) {
      throw new Error(`round ${round}, killed at ${point.thread} ${point.shown}: ${String(error)}`, { cause: error });
    }
  }
  assert.ok(kills > chosen.length / 2, `${kills} of ${chosen.length} runs were killed`);
}

async function totals({ state, config }: Scene): Promise<{ readonly directories: number }> {
  const { registered } = (await operate(state, "directories", {}, { config })) as { registered: number };
  return { directories: registered };
}

/** Whole at its place, or whole in the quarantine. */
function assertWhole({ root, original }: Scene, name: string): void {
  const stored = existsSync(join(root, QUARANTINE))
    ? readdirSync(join(root, QUARANTINE)).find((each) => each.endsWith(`-${name}`))
    : undefined;
  const places = [join(root, name), ...(stored === undefined ? [] : [join(root, QUARANTINE, stored)])].filter(
    existsSync,
  );
  assert.equal(places.length, 1, `${name} is at ${places.length} places`);
  const wanted = original.filter((line) => line.startsWith(`./${name}/`)).length;
  assert.equal(treeState(places[0] ?? "").length - 1, wanted, `${name} is not whole`);
}

function namesIn(root: string): string[] {
  return readdirSync(root).filter((name) => name !== QUARANTINE);
}

function withoutQuarantine(lines: readonly string[]): string[] {
  return lines.filter((line) => !line.startsWith(`./${QUARANTINE}`));
}
