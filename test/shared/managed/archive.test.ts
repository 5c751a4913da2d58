import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lutimesSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

import { withObjectStore } from "../../../shared/caches/managed/object-storage.ts";
import { withManagedStore } from "../../../shared/caches/managed/open.ts";
import { withPacks } from "../../../shared/caches/managed/packs.ts";
import type { ManagedCache, ObjectStorage } from "../../../shared/caches/managed/settings.ts";
import { invoke, type Context } from "../../../shared/index.ts";
import { evict } from "../../../shared/operations/evict.ts";
import { warm } from "../../../shared/operations/warm.ts";
import { makePlace } from "../../support/place.ts";
import { applyById, failsWith, undoById } from "../../support/runs.ts";
import { treeState } from "../../support/tree.ts";
import { startRedis } from "../probe/redis-server.ts";
import { fill, managedContext, managedSettings, setAge } from "./managed-place.ts";
import { S3_KEYS, startProxy, startS3 } from "./s3-server.ts";

const DAY = 86_400;
const PACKED = ".cache-ops-packed";
const OURS = [".cache-ops-quarantine", PACKED];

interface Scene {
  readonly root: string;
  readonly cache: ManagedCache;
  readonly context: Context;
}

/** A managed cache with one directory of 2,010 bytes and a link for each name, unused for three days. */
async function makeScene(
  names: readonly string[],
  parts: Partial<ManagedCache>,
  more: Partial<Context> = {},
): Promise<Scene> {
  const root = makePlace("managed");
  const cache = managedSettings(root, parts);
  const context = managedContext([cache], { objectStorageKeys: S3_KEYS, ...more });
  for (const name of names) {
    fill(root, `${name}/deep/film.bin`, 2000, 3 * DAY);
    fill(root, `${name}/info.nfo`, 10, 3 * DAY);
    symlinkSync("deep/film.bin", join(root, name, "link"));
    lutimesSync(join(root, name, "link"), 1, 1);
    chmodSync(join(root, name, "info.nfo"), 0o640);
    execFileSync("touch", ["-m", "-d", "2020-01-02T03:04:05.123456789Z", join(root, name, "info.nfo")]);
    setAge(join(root, name), 3 * DAY);
    const used = Date.now() - 3 * DAY * 1000;
    await withManagedStore(cache, context, (store) =>
      store.register([{ path: name, bytes: 2010, files: 3, accessedAt: used }], used),
    );
  }
  return { root, cache, context };
}

const plan = ({ context }: Scene, input: Record<string, unknown> = {}) =>
  invoke(evict, { detail: "full", ...input }, context);
const planWarm = ({ context }: Scene, paths: readonly string[], input: Record<string, unknown> = {}) =>
  invoke(warm, { paths: [...paths], detail: "full", ...input }, context);
const directories = ({ root }: Scene) => readdirSync(root).filter((name) => !OURS.includes(name));
const packsIn = ({ root }: Scene) => (existsSync(join(root, PACKED)) ? readdirSync(join(root, PACKED)) : []);
const quarantined = ({ root }: Scene) => {
  const place = join(root, OURS[0] ?? "");
  return existsSync(place) ? readdirSync(place) : [];
};
const packs = ({ cache, context }: Scene) => withPacks(context, (known) => known.list(cache.name));
const stateOf = ({ root }: Scene, name: string) => treeState(join(root, name));
const get = ({ cache, context }: Scene, path: string) => withManagedStore(cache, context, (store) => store.get(path));

/** Keys of all objects in the bucket. */
async function objectsIn({ cache, context }: Scene, archive: ObjectStorage | undefined = cache.archive) {
  if (archive === undefined) return [];
  return withObjectStore(archive, context, async (store) => {
    const keys: string[] = [];
    for await (const { key } of store.list("")) keys.push(key);
    return keys;
  });
}

describe("a cold directory", () => {
  it("is packed into a file when it was unused for long enough, comes back when it is warmed, and counts as used", async () => {
    const scene = await makeScene(["a", "b"], { compressAfter: "2d" });
    await withManagedStore(scene.cache, scene.context, (store) => store.touch("b", Date.now()));
    const before = stateOf(scene, "a");
    const made = await plan(scene);
    assert.deepEqual(
      made.changes?.map(({ does, name, problem, reason }) => [does, name, problem, reason.rule, reason.threshold]),
      [["compress", "a", "expired", "cold", "2d"]],
    );
    assert.match(made.acknowledge, /^pack and evict 1 directory in 1 cache/);
    assert.deepEqual(packsIn(scene), []);
    const report = await applyById(scene.context, made.plan);
    assert.equal(report.status, "complete", JSON.stringify(report.refused));
    assert.deepEqual(directories(scene), ["b"]);
    const [pack] = packs(scene);
    assert.equal(report.reclaimedBytes, -(pack?.content.size ?? 0), "the pack takes room until the original is purged");
    assert.equal(packsIn(scene).length, 1);
    assert.equal(await get(scene, "a"), undefined);
    const back = await planWarm(scene, ["a", "b", "c"]);
    assert.deepEqual(
      back.skipped.map(({ name, rule }) => [name, rule]),
      [
        ["b", "already_there"],
        ["c", "not_packed"],
      ],
    );
    assert.equal(back.bytes, -2010);
    const warmed = await applyById(scene.context, back.plan);
    assert.equal(warmed.status, "complete", JSON.stringify(warmed.refused));
    assert.equal(warmed.reclaimedBytes, -2010);
    assert.deepEqual(stateOf(scene, "a"), before);
    const entry = await get(scene, "a");
    assert.deepEqual([entry?.bytes, entry?.files, entry?.accesses], [2010, 3, 1]);
    assert.ok((entry?.accessedAt ?? 0) > Date.now() - 60_000);
    assert.equal((await plan(scene)).status, "empty", "and is not cold any more");
  });

  it("is not packed when the settings do not say so, when it is pinned, or when room is needed at once", async () => {
    const off = await makeScene(["a"], {});
    assert.equal((await plan(off)).status, "empty");
    const scene = await makeScene(["a", "b"], { compressAfter: "2d" });
    await withManagedStore(scene.cache, scene.context, (store) => store.setPinned("a", true));
    assert.deepEqual(
      (await plan(scene)).changes?.map(({ name }) => name),
      ["b"],
    );
    const urgent = await plan(scene, { bytes: 100, urgent: true });
    assert.deepEqual(
      urgent.changes?.map(({ does }) => does),
      ["delete"],
    );
  });

  it("is back as it was after an undo, with the pack removed; undone again it is in the quarantine", async () => {
    const scene = await makeScene(["a"], { compressAfter: "2d" });
    const before = stateOf(scene, "a");
    const report = await applyById(scene.context, (await plan(scene)).plan);
    const undone = await undoById(scene.context, report.run);
    assert.equal(undone.status, "complete", JSON.stringify(undone.refused));
    assert.deepEqual(stateOf(scene, "a"), before);
    assert.deepEqual([packsIn(scene), packs(scene)], [[], []]);
    const again = await undoById(scene.context, undone.run);
    assert.equal(again.status, "complete");
    assert.deepEqual([directories(scene), quarantined(scene).length], [[], 1]);
  });

  it("comes back from its pack by an undo when the quarantine is purged already", async () => {
    const scene = await makeScene(["a"], { compressAfter: "2d" });
    const before = stateOf(scene, "a");
    const report = await applyById(scene.context, (await plan(scene)).plan);
    for (const name of quarantined(scene)) rmSync(join(scene.root, OURS[0] ?? "", name), { recursive: true });
    const undone = await undoById(scene.context, report.run);
    assert.equal(undone.status, "complete", JSON.stringify(undone.refused));
    assert.deepEqual(stateOf(scene, "a"), before);
    assert.equal(packs(scene).length, 1, "the pack stays: nothing else was a copy");
  });

  it("goes to the quarantine when its warming is undone, unless it changed since", async () => {
    const scene = await makeScene(["a", "b"], { compressAfter: "2d" });
    await applyById(scene.context, (await plan(scene)).plan);
    const warmed = await applyById(scene.context, (await planWarm(scene, ["a", "b"])).plan);
    writeFileSync(join(scene.root, "b", "new"), "x");
    const undone = await undoById(scene.context, warmed.run);
    assert.equal(undone.status, "partial");
    assert.match(undone.refused[0]?.message ?? "", /\/b was changed/);
    assert.deepEqual(directories(scene), ["b"]);
    assert.equal(packs(scene).length, 2);
    assert.equal((await planWarm(scene, ["a"])).status, "ready");
  });

  it("is not lost when it is used after it was packed, and the pack that nobody needs goes a day later", async () => {
    const scene = await makeScene(["a"], { compressAfter: "2d", quarantine: "0s" });
    const made = await plan(scene);
    let isTouched = false;
    const context: Context = {
      ...scene.context,
      // Asked right before each step: the second one is the original's.
      fence: async () => {
        if (isTouched || packs(scene).length === 0) return;
        isTouched = true;
        await withManagedStore(scene.cache, scene.context, (store) => store.touch("a", Date.now()));
      },
    };
    const report = await applyById(context, made.plan);
    assert.equal(report.status, "partial");
    assert.match(report.refused[0]?.message ?? "", /was used since the plan/);
    assert.deepEqual([directories(scene), packsIn(scene).length], [["a"], 1]);
    assert.equal((await plan(scene)).status, "empty");
    const later: Context = { ...scene.context, now: () => Date.now() + DAY * 1000 };
    const purge = await invoke(evict, { problem: ["leftover"] }, later);
    await applyById(later, purge.plan);
    assert.deepEqual([directories(scene), packsIn(scene), packs(scene)], [["a"], [], []]);
  });

  it("is left alone with its reason when it cannot be packed", async () => {
    const scene = await makeScene(["a"], { compressAfter: "2d" });
    execFileSync("mkfifo", [join(scene.root, "a", "pipe")]);
    for (const name of ["a/pipe", "a"]) setAge(join(scene.root, name), 3 * DAY);
    const report = await applyById(scene.context, (await plan(scene)).plan);
    assert.equal(report.status, "refused");
    assert.match(report.refused[0]?.message ?? "", /pipe.*cannot be packed/);
    assert.deepEqual([directories(scene), packsIn(scene), packs(scene)], [["a"], [], []]);
  });

  it("has its pack purged once it was back for as long as the quarantine, and not while the pack is the only copy", async () => {
    const scene = await makeScene(["a"], { compressAfter: "2d", quarantine: "1h" });
    await applyById(scene.context, (await plan(scene)).plan);
    await applyById(scene.context, (await planWarm(scene, ["a"])).plan);
    assert.equal((await plan(scene, { problem: ["leftover"] })).status, "empty");
    const later = { ...scene, context: { ...scene.context, now: () => Date.now() + 3_601_000 } };
    const made = await plan(later, { problem: ["leftover"] });
    const rules = () => made.changes?.map(({ does, reason }) => `${does} ${reason.rule}`).toSorted();
    assert.deepEqual(rules(), ["purge pack_not_needed", "purge quarantine_over"]);
    rmSync(join(scene.root, "a"), { recursive: true });
    const refused = await applyById(later.context, made.plan);
    assert.match(refused.refused[0]?.message ?? "", /may be the only copy/);
    assert.equal(packsIn(scene).length, 1);
    assert.equal((await plan(later, { problem: ["leftover"] })).status, "empty");
    await applyById(later.context, (await planWarm(later, ["a"])).plan);
    const last = { ...scene, context: { ...scene.context, now: () => Date.now() + 7_300_000 } };
    const report = await applyById(last.context, (await plan(last, { problem: ["leftover"] })).plan);
    assert.equal(report.status, "complete", JSON.stringify(report.refused));
    assert.deepEqual([packsIn(scene), packs(scene), directories(scene)], [[], [], ["a"]]);
  });

  for (const [what, spoil] of [
    ["cut", (file: string) => writeFileSync(file, readFileSync(file).subarray(0, -9))],
    [
      "altered",
      (file: string) => {
        const bytes = readFileSync(file);
        bytes[40] = (bytes[40] ?? 0) ^ 1;
        writeFileSync(file, bytes);
      },
    ],
    ["removed", (file: string) => rmSync(file)],
  ] as const) {
    it(`is not brought back from a pack that was ${what} since the plan, and nothing is left of the attempt`, async () => {
      const scene = await makeScene(["a"], { compressAfter: "2d", quarantine: "0s" });
      await applyById(scene.context, (await plan(scene)).plan);
      const made = await planWarm(scene, ["a"]);
      spoil(join(scene.root, PACKED, packsIn(scene)[0] ?? ""));
      const report = await applyById(scene.context, made.plan);
      assert.equal(report.status, "refused");
      assert.match(report.refused[0]?.code ?? "", /corrupt|stale_plan/);
      assert.deepEqual([directories(scene), quarantined(scene)], [[], []]);
      assert.equal((await planWarm(scene, ["a"])).errors.length, what === "altered" ? 0 : 1);
    });
  }

  it("is not brought back where there is no room, under the quota or on the disk, which is said", async () => {
    const scene = await makeScene(["a", "b"], { compressAfter: "2d" });
    await applyById(scene.context, (await plan(scene)).plan);
    const tight = (parts: Partial<ManagedCache>) => {
      const cache = { ...scene.cache, ...parts };
      return {
        ...scene,
        cache,
        context: { ...scene.context, configuration: { ...scene.context.configuration, managed: [cache] } },
      };
    };
    const quota = await planWarm(tight({ maxBytes: 3000 }), ["b", "a"]);
    assert.deepEqual(
      quota.changes?.map(({ name }) => name),
      ["b"],
    );
    assert.match(
      quota.errors.map(({ code, message }) => `${code} ${message}`).join(),
      /no_room.*2\.0 kB.*990 B.*quota/,
    );
    const disk = await planWarm(tight({ minFreeBytes: Number.MAX_SAFE_INTEGER }), ["a"]);
    assert.deepEqual([disk.status, disk.errors.map(({ code }) => code)], ["empty", ["no_room"]]);
  });

  it("is warmed only as far as a reviewer left it in, and hostile paths are refused", async () => {
    const scene = await makeScene(["a", "b"], { compressAfter: "2d" });
    await applyById(scene.context, (await plan(scene)).plan);
    const made = await planWarm(scene, ["a", "b"]);
    const narrowed = await invoke(warm, { from: made.plan, only: [2] }, scene.context);
    await applyById(scene.context, narrowed.plan);
    assert.deepEqual(directories(scene), ["b"]);
    await assert.rejects(planWarm(scene, []), (error: Error & { hint?: string }) => {
      assert.match(error.hint ?? "", /^Packed of media: (a, b|b, a)\.$/);
      return failsWith("invalid_input")(error);
    });
    for (const path of ["../a", "/etc", ".cache-ops-packed"]) {
      await assert.rejects(planWarm(scene, [path]), failsWith("forbidden"), path);
    }
  });
});

describe("a register in Redis", () => {
  it("packs beside the root, so that the backend's cleaner never sees it, and warms from there", async () => {
    const { url } = await startRedis();
    const scene = await makeScene(["a", "b"], { compressAfter: "2d", store: "redis" }, { redisUrl: url });
    const before = stateOf(scene, "a");
    const report = await applyById(scene.context, (await plan(scene, { maxEntries: 1 })).plan);
    assert.equal(report.status, "complete", JSON.stringify(report.refused));
    assert.deepEqual(readdirSync(scene.root), ["b"]);
    const [pack] = packs(scene);
    assert.ok(pack !== undefined && "file" in pack.target);
    const beside = join(dirname(scene.root), `${PACKED}-${basename(scene.root)}`);
    assert.equal(dirname(pack.target.file), beside);
    const warmed = await applyById(scene.context, (await planWarm(scene, ["a"])).plan);
    assert.equal(warmed.status, "complete", JSON.stringify(warmed.refused));
    assert.deepEqual(stateOf(scene, "a"), before);
    assert.equal((await get(scene, "a"))?.bytes, 2010);
    for (const name of [PACKED, OURS[0]])
      rmSync(join(dirname(scene.root), `${name}-${basename(scene.root)}`), { recursive: true });
  });
});

describe("an eviction with an archive", () => {
  it("puts each directory into object storage before it goes, and a warming brings it back whole", async () => {
    const server = await startS3();
    const scene = await makeScene(["a", "b"], { archive: server.settings, quarantine: "0s" });
    const before = stateOf(scene, "a");
    const made = await plan(scene, { paths: ["a"] });
    assert.deepEqual(
      made.changes?.map(({ does, reason }) => [does, reason.rule]),
      [["archive", "asked_for"]],
    );
    assert.deepEqual(await objectsIn(scene), []);
    const report = await applyById(scene.context, made.plan);
    assert.equal(report.status, "complete", JSON.stringify(report.refused));
    assert.equal(report.reclaimedBytes, 2010);
    const keys = await objectsIn(scene);
    assert.match(keys.join(), /^cache-ops\/media\/[0-9a-f]{16}-a\.tar\.gz$/);
    assert.deepEqual([directories(scene), quarantined(scene)], [["b"], []]);
    const { secretAccessKey } = S3_KEYS;
    assert.ok(!JSON.stringify([made, report]).includes(secretAccessKey), "no key is shown");
    const { directory } = scene.context.state();
    for (const file of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      assert.ok(!readFileSync(join(file.parentPath, file.name)).includes(secretAccessKey), `none is in ${file.name}`);
    }
    const warmed = await applyById(scene.context, (await planWarm(scene, ["a"])).plan);
    assert.equal(warmed.status, "complete", JSON.stringify(warmed.refused));
    assert.deepEqual(stateOf(scene, "a"), before);
    assert.deepEqual([quarantined(scene), packsIn(scene)], [[], []]);
  });

  it("is switched off for one plan by archive: false", async () => {
    const server = await startS3();
    const scene = await makeScene(["a"], { archive: server.settings });
    const made = await plan(scene, { paths: ["a"], archive: false });
    assert.deepEqual(
      made.changes?.map(({ does }) => does),
      ["evict"],
    );
  });

  it("is undone: the original returns from the quarantine and the object goes; from the object when it was removed", async () => {
    const server = await startS3();
    for (const quarantine of ["24h", "0s"]) {
      const scene = await makeScene(["a"], { archive: server.settings, quarantine });
      const before = stateOf(scene, "a");
      const report = await applyById(scene.context, (await plan(scene, { paths: ["a"] })).plan);
      assert.ok(report.undoUntil !== null && Date.parse(report.undoUntil) > Date.now() + 1000);
      const undone = await undoById(scene.context, report.run);
      assert.equal(undone.status, "complete", JSON.stringify(undone.refused));
      assert.deepEqual(stateOf(scene, "a"), before);
      assert.equal((await objectsIn(scene)).length, quarantine === "0s" ? 1 : 0);
    }
  });

  const broken: Record<string, (settings: ObjectStorage) => { archive: ObjectStorage; more?: Partial<Context> }> = {
    "the keys are wrong": (archive) => ({
      archive,
      more: { objectStorageKeys: { accessKeyId: "nobody", secretAccessKey: "secret-of-nobody" } },
    }),
    "there is no such bucket": (archive) => ({ archive: { ...archive, bucket: "elsewhere" } }),
    "nothing listens": (archive) => ({ archive: { ...archive, endpoint: "http://127.0.0.1:9" } }),
  };
  for (const [what, change] of Object.entries(broken)) {
    it(`removes nothing when ${what}`, async () => {
      const server = await startS3();
      const { archive, more } = change(server.settings);
      const scene = await makeScene(["a"], { archive, quarantine: "0s" }, more);
      const before = stateOf(scene, "a");
      const report = await applyById(scene.context, (await plan(scene, { paths: ["a"] })).plan);
      assert.equal(report.status, "refused");
      assert.match(report.refused[0]?.code ?? "", /forbidden|not_found|unavailable/);
      assert.ok(!JSON.stringify(report).includes("secret-of-nobody"));
      assert.deepEqual(stateOf(scene, "a"), before);
      assert.deepEqual(packs(scene), []);
    });
  }

  const liars: Record<string, (path: string, method: string) => "cut" | "swap" | "fail" | undefined> = {
    "says that it stored it, and has only part of it": (_, method) => (method === "HEAD" ? "cut" : undefined),
    "gives back other bytes than it was given": (_, method) => (method === "GET" ? "swap" : undefined),
    "fails when it is asked for it": (_, method) => (method === "GET" ? "fail" : undefined),
  };
  for (const [what, judge] of Object.entries(liars)) {
    it(`removes nothing when the store ${what}`, async () => {
      const server = await startS3();
      const endpoint = await startProxy(server.settings.endpoint ?? "", judge);
      const scene = await makeScene(["a"], { archive: { ...server.settings, endpoint }, quarantine: "0s" });
      const before = stateOf(scene, "a");
      const report = await applyById(scene.context, (await plan(scene, { paths: ["a"] })).plan);
      assert.equal(report.status, "refused");
      assert.deepEqual(stateOf(scene, "a"), before);
      assert.deepEqual(packs(scene), []);
      assert.deepEqual(await objectsIn(scene, server.settings), [], "and what was stored is removed");
    });
  }

  it("does not remove a directory that changes while it is uploaded", async () => {
    const server = await startS3();
    let scene: Scene | undefined;
    const endpoint = await startProxy(server.settings.endpoint ?? "", (_, method) => {
      if (method === "PUT") writeFileSync(join(scene?.root ?? "", "a", "new"), "x");
      return undefined;
    });
    scene = await makeScene(["a"], { archive: { ...server.settings, endpoint }, quarantine: "0s" });
    const report = await applyById(scene.context, (await plan(scene, { paths: ["a"], allow: ["in_use"] })).plan);
    assert.equal(report.status, "partial");
    assert.match(report.refused[0]?.message ?? "", /changed since the plan/);
    assert.deepEqual(readdirSync(join(scene.root, "a")), ["deep", "info.nfo", "link", "new"]);
    const undone = await undoById(scene.context, report.run);
    assert.equal(undone.status, "complete", JSON.stringify(undone.refused));
    assert.deepEqual([directories(scene), await objectsIn(scene)], [["a"], []]);
  });

  it("removes nothing when the store dies in the middle of an upload", async () => {
    const server = await startS3();
    const endpoint = await startProxy(server.settings.endpoint ?? "", (_, method) => {
      if (method === "PUT") void server.kill();
      return undefined;
    });
    const scene = await makeScene(["a"], { archive: { ...server.settings, endpoint }, quarantine: "0s" });
    const before = stateOf(scene, "a");
    const report = await applyById(scene.context, (await plan(scene, { paths: ["a"] })).plan);
    assert.equal(report.status, "refused");
    assert.deepEqual(stateOf(scene, "a"), before);
  });

  for (const [what, judge] of Object.entries({
    "dies in the middle of a download": () => "fail",
    "has an object that was cut": (_: string, method: string) => (method === "HEAD" ? "cut" : undefined),
    "has an object that was altered": (_: string, method: string) => (method === "GET" ? "swap" : undefined),
  } as const)) {
    it(`puts nothing in place when the store ${what}`, async () => {
      const server = await startS3();
      const scene = await makeScene(["a", "b"], { archive: server.settings, quarantine: "0s" });
      await applyById(scene.context, (await plan(scene, { paths: ["a"] })).plan);
      const made = await planWarm(scene, ["a"]);
      const endpoint = await startProxy(server.settings.endpoint ?? "", judge);
      const cache = { ...scene.cache, archive: { ...server.settings, endpoint } };
      const configuration = { ...scene.context.configuration, managed: [cache] };
      const report = await applyById({ ...scene.context, configuration }, made.plan);
      assert.equal(report.status, "refused");
      assert.match(report.refused[0]?.code ?? "", /corrupt|unavailable|stale_plan/);
      assert.deepEqual([directories(scene), quarantined(scene)], [["b"], []]);
      const again = await applyById(scene.context, (await planWarm(scene, ["a"])).plan);
      assert.equal(again.status, "complete", JSON.stringify(again.refused));
    });
  }
});
