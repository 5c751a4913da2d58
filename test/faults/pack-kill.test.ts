import assert from "node:assert/strict";
import { existsSync, lutimesSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { env, kill } from "node:process";

import { withManagedStore } from "../../shared/caches/managed/open.ts";
import { openState } from "../../shared/index.ts";
import { fill, managedSettings, setAge } from "../shared/managed/managed-place.ts";
import { S3_KEYS, startProxy, startS3 } from "../shared/managed/s3-server.ts";
import { makeContext } from "../support/context.ts";
import { makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";
import { letQuarantineLocksAge, operate } from "./scene.ts";
import { injectAt, recordPoints, startDriver, spread, touching } from "./traced.ts";

/** How many points of a recording are killed at: all of them with CACHE_OPS_FAULT_ROUNDS=all. */
const ROUNDS = env["CACHE_OPS_FAULT_ROUNDS"] === "all" ? Infinity : Number(env["CACHE_OPS_FAULT_ROUNDS"] ?? 2);
const QUARANTINE = ".cache-ops-quarantine";
const PACKED = ".cache-ops-packed";
const NAMES = ["first", "second"] as const;
const DAY = 86_400;

interface Scene {
  readonly root: string;
  readonly state: string;
  readonly config: Record<string, unknown>;
  /** Each directory as it was, with its times. */
  readonly original: ReadonlyMap<string, readonly string[]>;
}

/** Two directories that nobody used for three days: each holds files, a directory and a link. */
async function makeScene(quarantine: string): Promise<Scene> {
  const root = makePlace("managed");
  const state = makePlace("state");
  const cache = managedSettings(root, { quarantine, compressAfter: "1d" });
  fill(root, "stays/film.bin", 10);
  const opened = openState(state);
  const context = makeContext({ state: () => opened, config: { managed: [cache] } });
  for (const name of NAMES) {
    fill(root, `${name}/film.bin`, 200_000, 3 * DAY);
    fill(root, `${name}/deep/other.bin`, 10, 3 * DAY);
    symlinkSync("film.bin", join(root, name, "link"));
    lutimesSync(join(root, name, "link"), 1, 1);
    setAge(join(root, name), 3 * DAY);
    const used = Date.now() - 3 * DAY * 1000;
    await withManagedStore(cache, context, (store) =>
      store.register([{ path: name, bytes: 200_010, files: 3, accessedAt: used }], used),
    );
  }
  opened.close();
  const original = new Map(NAMES.map((name) => [name, treeState(join(root, name))]));
  return { root, state, config: { managed: [cache] }, original };
}

async function planned({ state, config }: Scene, name: string, input: Record<string, unknown> = {}): Promise<string> {
  const { plan, status } = await operate(state, name, input, { config });
  assert.equal(status, "ready");
  return String(plan);
}

async function done({ state, config }: Scene, name: string, input: Record<string, unknown>): Promise<void> {
  const report = await operate(state, name, input, { config });
  assert.equal(report["status"], "complete", JSON.stringify(report["refused"]));
}

describe("kill -9 at a write-side system call", function () {
  this.timeout(3_600_000);

  it("of a packing leaves every directory whole, and apply goes on or undo puts all back without a trace", async () => {
    await killEverywhere(
      () => makeScene("24h"),
      "evict",
      {},
      async (scene, plan, round) => {
        for (const name of NAMES) assertWhole(scene, name);
        if (round % 2 === 0) {
          await done(scene, "apply", { plan });
          assert.deepEqual(namesIn(scene.root), ["stays"]);
          assert.equal(readdirSync(join(scene.root, PACKED)).length, NAMES.length);
          await done(scene, "apply", { plan: await planned(scene, "warm", { paths: [...NAMES] }) });
        } else {
          const { runs } = (await operate(scene.state, "history", {}, { config: scene.config })) as {
            runs: { run: string }[];
          };
          const [interrupted] = runs;
          // Killed before the run was begun: nothing happened, and there is nothing to undo.
          if (interrupted !== undefined)
            await operate(scene.state, "undo", { run: interrupted.run }, { config: scene.config });
          assert.deepEqual(existsSync(join(scene.root, PACKED)) ? readdirSync(join(scene.root, PACKED)) : [], []);
        }
        for (const name of NAMES) assert.deepEqual(treeState(join(scene.root, name)), scene.original.get(name));
      },
    );
  });

  it("of an unpacking leaves every directory away or whole, and apply goes on", async () => {
    const packed = async () => {
      const scene = await makeScene("0s");
      await done(scene, "apply", { plan: await planned(scene, "evict") });
      assert.deepEqual(namesIn(scene.root), ["stays"]);
      return scene;
    };
    await killEverywhere(packed, "warm", { paths: [...NAMES] }, async (scene, plan) => {
      const whole = () => NAMES.filter((name) => existsSync(join(scene.root, name)));
      for (const name of whole()) assert.deepEqual(treeState(join(scene.root, name)), scene.original.get(name));
      await done(scene, "apply", { plan });
      assert.equal(whole().length, NAMES.length);
      for (const name of whole()) assert.deepEqual(treeState(join(scene.root, name)), scene.original.get(name));
      assert.deepEqual(readdirSync(join(scene.root, QUARANTINE)), [], "and nothing half unpacked");
    });
  });
});

describe("kill -9 in the middle of an upload", () => {
  it("leaves the original where it is, and apply goes on: one object, verified, before the original goes", async () => {
    const server = await startS3();
    let onUpload: () => void = () => undefined;
    const endpoint = await startProxy(server.settings.endpoint ?? "", (_, method) => {
      if (method === "PUT") onUpload();
      return undefined;
    });
    const { accessKeyId, secretAccessKey } = S3_KEYS;
    Object.assign(env, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey });
    const made = await makeScene("0s");
    const [cache] = (made.config as { managed: object[] }).managed;
    const archive = { ...server.settings, endpoint };
    const scene = { ...made, config: { managed: [{ ...cache, archive }] } };
    const plan = await planned(scene, "evict", { paths: ["first"] });
    const driver = await startDriver(scene.state);
    onUpload = () => void kill(driver.pid, "SIGKILL");
    assert.equal(await driver.run("apply", { plan }, scene.config), undefined, "it was killed");
    await driver.stop();
    onUpload = () => undefined;
    letQuarantineLocksAge(scene.root);
    assert.deepEqual(treeState(join(scene.root, "first")), scene.original.get("first"));
    await done(scene, "apply", { plan });
    assert.deepEqual(namesIn(scene.root), ["second", "stays"]);
    const objects = readdirSync(server.directory, { recursive: true }).filter((name) =>
      String(name).includes("-first.tar.gz"),
    );
    assert.equal(objects.filter((name) => String(name).endsWith("_object")).length, 1, objects.join());
    await done(scene, "apply", { plan: await planned(scene, "warm", { paths: ["first"] }) });
    assert.deepEqual(treeState(join(scene.root, "first")), scene.original.get("first"));
  });
});

async function killEverywhere(
  makeOne: () => Promise<Scene>,
  operation: string,
  input: Record<string, unknown>,
  recover: (scene: Scene, plan: string, round: number) => Promise<void>,
): Promise<void> {
  const recorded = await makeOne();
  const plan = await planned(recorded, operation, input);
  const recorder = await startDriver(recorded.state);
  const { answer, points } = await recordPoints(recorder, touching(recorder, [recorded.root, recorded.state]), () =>
    recorder.run("apply", { plan }, recorded.config),
  );
  assert.equal(answer?.outcome, "ok", JSON.stringify(answer));
  const chosen = spread(points, ROUNDS);
  let kills = 0;
  for (const [round, point] of chosen.entries()) {
    const scene = await makeOne();
    const own = await planned(scene, operation, input);
    const driver = await startDriver(scene.state);
    const { hit } = await injectAt(driver, point, "signal=KILL", () =>
      driver.run("apply", { plan: own }, scene.config),
    );
    if (hit) kills += 1;
    try {
      letQuarantineLocksAge(scene.root);
      await recover(scene, own, round);
      const { registered } = (await operate(scene.state, "directories", {}, { config: scene.config })) as {
        registered: number;
      };
      assert.equal(registered, namesIn(scene.root).length - 1, "the register knows what is there");
    } catch (error) {
      throw new Error(`round ${round}, killed at ${point.thread} ${point.shown}: ${String(error)}`, { cause: error });
    }
  }
  assert.ok(kills > chosen.length / 2, `${kills} of ${chosen.length} runs were killed`);
}

/** Whole at its place, or whole in the quarantine with its pack beside. */
function assertWhole({ root, original }: Scene, name: string): void {
  const away = join(root, QUARANTINE);
  const stored = existsSync(away) ? readdirSync(away).find((each) => each.endsWith(`-${name}`)) : undefined;
  const places = [join(root, name), ...(stored === undefined ? [] : [join(away, stored)])].filter(existsSync);
  assert.equal(places.length, 1, `${name} is at ${places.length} places`);
  assert.deepEqual(treeState(places[0] ?? ""), original.get(name));
  if (places[0] === join(root, name)) return;
  assert.ok(
    readdirSync(join(root, PACKED)).some((pack) => pack.endsWith(`-${name}.tar.gz`)),
    "its pack is there",
  );
}

function namesIn(root: string): string[] {
  return readdirSync(root).filter((name) => name !== QUARANTINE && name !== PACKED);
}
