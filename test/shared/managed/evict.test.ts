import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  openSync,
  closeSync,
  lutimesSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { withManagedStore } from "../../../shared/caches/managed/open.ts";
import type { ManagedCache } from "../../../shared/caches/managed/settings.ts";
import { invoke, loadPlan, readConfiguration, type Context } from "../../../shared/index.ts";
import { check } from "../../../shared/operations/check.ts";
import { evict } from "../../../shared/operations/evict.ts";
import { makePlace } from "../../support/place.ts";
import { applyById, failsWith, undoById } from "../../support/runs.ts";
import { treeState } from "../../support/tree.ts";
import { fill, managedContext, managedSettings, setAge } from "./managed-place.ts";

const QUARANTINE = ".cache-ops-quarantine";
const DAY = 86_400;

interface Scene {
  readonly root: string;
  readonly cache: ManagedCache;
  readonly context: Context;
}

/** A managed cache with one directory of 1,000 bytes for each name, the first used longest ago. */
async function makeScene(names: readonly string[], parts: Partial<ManagedCache> = {}): Promise<Scene> {
  const root = makePlace("managed");
  const cache = managedSettings(root, parts);
  const context = managedContext([cache]);
  const now = Date.now();
  for (const name of names) fill(root, `${name}/deep/film.bin`, 1000, 3 * DAY);
  for (const name of names) setAge(join(root, name), 3 * DAY);
  await withManagedStore(cache, context, async (store) => {
    for (const [index, path] of names.entries()) {
      const usedAt = now - (names.length - index) * 3_600_000;
      await store.register([{ path, bytes: 1000, files: 1, accessedAt: usedAt }], usedAt);
    }
  });
  return { root, cache, context };
}

const plan = ({ context }: Scene, input: Record<string, unknown> = {}) =>
  invoke(evict, { detail: "full", ...input }, context);

const pathsIn = ({ cache, context }: Scene) =>
  withManagedStore(cache, context, async (store) =>
    (await store.list({ offset: 0, limit: 1000, newestFirst: false })).map(({ path }) => path),
  );

const totalsOf = ({ cache, context }: Scene) => withManagedStore(cache, context, (store) => store.totals());

const directories = ({ root }: Scene) => readdirSync(root).filter((name) => name !== QUARANTINE);

const entriesOf = (summary: { readonly changes?: readonly { readonly entry: string | null }[] }) =>
  (summary.changes ?? []).map(({ entry }) => entry);

describe("an eviction", () => {
  it("plans nothing below the high watermark, and what is over the low one above it", async () => {
    const names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    const below = await makeScene(names, { maxBytes: 10_000 });
    assert.equal((await plan(below)).status, "empty");
    const above = await makeScene([...names, "j"], { maxBytes: 10_000 });
    const made = await plan(above);
    assert.deepEqual(entriesOf(made), ["a", "b"]);
    assert.deepEqual(
      made.changes?.map(({ does, problem, reason }) => [does, problem, reason.rule, reason.threshold]),
      [
        ["evict", "oversize", "over_quota", "9.0 kB"],
        ["evict", "oversize", "over_quota", "9.0 kB"],
      ],
    );
    assert.equal(made.quarantinedBytes, 2000);
    assert.equal(made.bytes, 0);
  });

  it("changes nothing while it is planned, moves exactly that when it is applied, and its undo puts all back", async () => {
    const scene = await makeScene(["a", "b", "c"], { maxBytes: 2000 });
    symlinkSync("/etc", join(scene.root, "a", "link"));
    lutimesSync(join(scene.root, "a", "link"), 1, 1);
    writeFileSync(join(scene.root, "a", "deep", Buffer.from([0x66, 0xff]).toString("latin1")), "x");
    setAge(join(scene.root, "a", "deep"), 3 * DAY);
    for (const name of readdirSync(join(scene.root, "a", "deep"))) setAge(join(scene.root, "a", "deep", name), 3 * DAY);
    setAge(join(scene.root, "a"), 3 * DAY);
    const before = treeState(scene.root);
    const made = await plan(scene);
    assert.deepEqual(treeState(scene.root), before);
    assert.deepEqual(entriesOf(made), ["a", "b"]);
    const report = await applyById(scene.context, made.plan);
    assert.equal(report.status, "complete");
    assert.deepEqual([report.entries, report.caches, report.reclaimedBytes, report.quarantinedBytes], [2, 1, 0, 2001]);
    assert.deepEqual(directories(scene), ["c"]);
    assert.deepEqual(await pathsIn(scene), ["c"]);
    const undone = await undoById(scene.context, report.run);
    assert.equal(undone.status, "complete");
    rmSync(join(scene.root, QUARANTINE), { recursive: true });
    assert.deepEqual(
      treeState(scene.root).filter((line) => !line.startsWith(". ")),
      before.filter((line) => !line.startsWith(". ")),
    );
    assert.deepEqual((await pathsIn(scene)).toSorted(), ["a", "b", "c"]);
    assert.equal((await totalsOf(scene)).bytes, 3001);
  });

  it("can be undone, and that undo be undone", async () => {
    const scene = await makeScene(["a", "b"]);
    const made = await plan(scene, { paths: ["a"] });
    const report = await applyById(scene.context, made.plan);
    const undone = await undoById(scene.context, report.run);
    assert.deepEqual(directories(scene), ["a", "b"]);
    await undoById(scene.context, undone.run);
    assert.deepEqual(directories(scene), ["b"]);
    assert.deepEqual(await pathsIn(scene), ["b"]);
  });

  it("frees the space after the quarantine is over, and cannot be undone from then on", async () => {
    const scene = await makeScene(["a", "b"], { quarantine: "1h" });
    const first = await applyById(scene.context, (await plan(scene, { paths: ["a"] })).plan);
    assert.equal((await plan(scene)).status, "empty", "an hour is not over");
    const later: Context = { ...scene.context, now: () => Date.now() + 3_601_000 };
    const purge = await invoke(evict, { detail: "full" }, later);
    assert.deepEqual(
      purge.changes?.map(({ does, name, reason }) => [does, name, reason.rule]),
      [["purge", "a", "quarantine_over"]],
    );
    assert.equal(purge.bytes, 1000);
    assert.match(purge.acknowledge, /cannot be undone$/);
    const report = await applyById(later, purge.plan);
    assert.deepEqual([report.status, report.reclaimedBytes, report.undoUntil], ["complete", 1000, null]);
    assert.deepEqual(readdirSync(join(scene.root, QUARANTINE)), []);
    const failed = await undoById(later, first.run);
    assert.equal(failed.status, "refused");
    await assert.rejects(undoById(later, report.run), failsWith("not_found", /removed for good/));
    assert.deepEqual(directories(scene), ["b"]);
  });

  it("says until when it can be undone: no longer than the quarantine", async () => {
    const scene = await makeScene(["a", "b"], { quarantine: "2h" });
    const made = await plan(scene, { paths: ["a"] });
    assert.ok(made.undoUntil !== null);
    const hours = (Date.parse(made.undoUntil) - Date.now()) / 3_600_000;
    assert.ok(hours > 1.9 && hours <= 2, made.undoUntil);
  });

  for (const [policy, expected] of [
    ["lru", "a"],
    ["largest", "big"],
    ["fifo", "a"],
    ["lfu", "c"],
  ] as const) {
    it(`follows the policy ${policy}`, async () => {
      const scene = await makeScene(["a", "b", "c"]);
      fill(scene.root, "big/film.bin", 5000, 3 * DAY);
      await withManagedStore(scene.cache, scene.context, async (store) => {
        await store.register([{ path: "big", bytes: 5000, files: 1 }], Date.now());
        for (const path of ["a", "b", "big"]) await store.touch(path, Date.now() - 7_200_000 + path.length);
      });
      const made = await plan(scene, { bytes: 900, policy });
      assert.deepEqual(entriesOf(made), [expected]);
    });
  }

  it("takes what has expired whatever the quota says, and nothing else", async () => {
    const scene = await makeScene(["a", "b", "c"], { ttl: "150m" });
    const made = await plan(scene);
    assert.deepEqual(entriesOf(made), ["a"]);
    assert.deepEqual(
      made.changes?.map(({ problem, reason }) => [problem, reason.rule, reason.threshold]),
      [["expired", "ttl", "150m"]],
    );
    assert.equal((await plan(scene, { problem: ["oversize"] })).status, "empty");
  });

  it("leaves alone what is pinned, kept, in use or not to be seen whole, and takes the next ones instead", async () => {
    const names = ["pinned", "kept", "written", "locked", "partial", "link", "gone", "ok1", "ok2"];
    const scene = await makeScene(names, { keep: ["kept*"] });
    await withManagedStore(scene.cache, scene.context, (store) => store.setPinned("pinned", true));
    setAge(join(scene.root, "written", "deep", "film.bin"), 5);
    fill(scene.root, "partial/film.mkv.part", 10, 3600);
    const lock = JSON.stringify({ hostname: "elsewhere", pid: 1, timestamp: Date.now() / 1000 });
    writeFileSync(join(scene.root, "locked", "film.mkv"), "");
    writeFileSync(join(scene.root, "locked", "film.mkv.lock"), lock);
    setAge(join(scene.root, "locked", "film.mkv"), DAY);
    setAge(join(scene.root, "locked", "film.mkv.lock"), 3600);
    for (const name of ["partial", "locked"]) setAge(join(scene.root, name), DAY);
    renameSync(join(scene.root, "link"), `${scene.root}-elsewhere`);
    symlinkSync(`${scene.root}-elsewhere`, join(scene.root, "link"));
    rmSync(join(scene.root, "gone"), { recursive: true });
    const made = await plan(scene, { bytes: 1500 });
    assert.deepEqual(entriesOf(made), ["ok1", "ok2"]);
    assert.deepEqual(Object.fromEntries(made.skipped.map(({ entry, rule }) => [entry, rule])), {
      kept: "kept_by_configuration",
      written: "recent_write",
      locked: "lock_file",
      partial: "unfinished_download",
      link: "forbidden",
      gone: "not_found",
    });
    rmSync(`${scene.root}-elsewhere`, { recursive: true });
  });

  it("says how much it could not find", async () => {
    const scene = await makeScene(["a", "b"]);
    await withManagedStore(scene.cache, scene.context, (store) => store.setPinned("b", true));
    const made = await plan(scene, { bytes: 5000 });
    assert.deepEqual(entriesOf(made), ["a"]);
    assert.match(made.errors.map(({ message }) => message).join(), /4.0 kB more should go.*1 pinned/);
  });

  it("leaves a directory alone that a process has open, when it is planned and when it is applied", async () => {
    const scene = await makeScene(["a", "b"]);
    const early = await plan(scene, { paths: ["a"] });
    const child = spawn("sleep", ["60"], { cwd: join(scene.root, "a", "deep"), stdio: "ignore" });
    await once(child, "spawn");
    try {
      const made = await plan(scene, { paths: ["a"] });
      assert.equal(made.status, "empty");
      assert.deepEqual(
        made.skipped.map(({ rule }) => rule),
        ["open_files"],
      );
      const report = await applyById(scene.context, early.plan);
      assert.equal(report.status, "refused");
      assert.match(report.refused[0]?.message ?? "", /in use: sleep/);
    } finally {
      child.kill();
    }
    assert.deepEqual(directories(scene), ["a", "b"]);
  });
});

describe("an eviction refuses, and moves nothing, when since the plan", () => {
  const cases: Record<string, (scene: Scene) => Promise<void> | void> = {
    "a file was added": ({ root }) => void fill(root, "a/new.bin", 1, 3 * DAY),
    "a file was changed in place": ({ root }) => writeFileSync(join(root, "a/deep/film.bin"), "other"),
    "a file was removed": ({ root }) => rmSync(join(root, "a/deep/film.bin")),
    "the directory was replaced by another": ({ root }) => {
      renameSync(join(root, "a"), join(root, "old"));
      fill(root, "a/deep/film.bin", 1000, 3 * DAY);
    },
    "the directory was replaced by a link": ({ root }) => {
      renameSync(join(root, "a"), join(root, "old"));
      symlinkSync("old", join(root, "a"));
    },
    "it was used": (scene) =>
      withManagedStore(scene.cache, scene.context, async (store) => void (await store.touch("a", Date.now()))),
    "it was pinned": (scene) =>
      withManagedStore(scene.cache, scene.context, async (store) => void (await store.setPinned("a", true))),
    "it was forgotten": (scene) =>
      withManagedStore(scene.cache, scene.context, async (store) => void (await store.forget(["a"]))),
    "somebody else holds its lease": (scene) =>
      withManagedStore(scene.cache, scene.context, async (store) => void (await store.lease("a", 60))),
    "it is gone": ({ root }) => rmSync(join(root, "a"), { recursive: true }),
  };
  for (const [what, disturb] of Object.entries(cases)) {
    it(what, async () => {
      const scene = await makeScene(["a", "b"]);
      const made = await plan(scene, { paths: ["a"] });
      assert.equal(made.status, "ready");
      await disturb(scene);
      const before = treeState(scene.root);
      const report = await applyById(scene.context, made.plan);
      assert.equal(report.status, "refused");
      assert.equal(report.refused.length, 1);
      const after = treeState(scene.root).filter((line) => !line.includes(QUARANTINE) && !line.startsWith(". "));
      assert.deepEqual(
        after,
        before.filter((line) => !line.startsWith(". ")),
      );
    });
  }

  it("another disk stands at the root: the plan is blocked", async () => {
    const scene = await makeScene(["a", "b"]);
    const made = await plan(scene, { paths: ["a"] });
    renameSync(scene.root, `${scene.root}-away`);
    mkdirSync(scene.root);
    fill(scene.root, "a/deep/film.bin", 1000, 3 * DAY);
    await assert.rejects(applyById(scene.context, made.plan), failsWith("blocked"));
    assert.ok(existsSync(join(scene.root, "a/deep/film.bin")));
    rmSync(`${scene.root}-away`, { recursive: true });
  });
});

describe("an eviction of a full disk", () => {
  it("purges the quarantine first, then removes for good, and says so in the plan", async () => {
    const scene = await makeScene(["a", "b", "c"]);
    await applyById(scene.context, (await plan(scene, { paths: ["a"] })).plan);
    const made = await plan(scene, { bytes: 1500, urgent: true });
    assert.deepEqual(
      made.changes?.map(({ does, name }) => [does, name]),
      [
        ["purge", "a"],
        ["delete", "b"],
      ],
    );
    assert.equal(made.bytes, 2000);
    assert.equal(made.undoUntil, null);
    assert.match(made.acknowledge, /delete for good 1 directory.*cannot be undone/);
    const report = await applyById(scene.context, made.plan);
    assert.deepEqual([report.status, report.reclaimedBytes], ["complete", 2000]);
    assert.deepEqual(directories(scene), ["c"]);
    assert.deepEqual(readdirSync(join(scene.root, QUARANTINE)), []);
  });

  it("does so by itself when less is free than the settings demand", async () => {
    const scene = await makeScene(["a", "b"], { minFreeBytes: Number.MAX_SAFE_INTEGER });
    const made = await plan(scene);
    assert.deepEqual(
      made.changes?.map(({ does, reason }) => [does, reason.rule]),
      [
        ["delete", "disk_full"],
        ["delete", "disk_full"],
      ],
    );
    assert.equal(
      made.errors.some(({ code }) => code === "not_enough"),
      true,
    );
  });

  it("removes trees however deep, with links and odd names in them, and nothing that links lead to", async () => {
    const scene = await makeScene(["a", "b"], { quarantine: "0s" });
    const outside = makePlace("outside");
    writeFileSync(join(outside, "precious"), "x");
    let path = join(scene.root, "a");
    for (let level = 0; level < 200; level += 1) {
      path = join(path, "d");
      mkdirSync(path);
    }
    symlinkSync(outside, join(path, "out"));
    symlinkSync(join(outside, "precious"), join(scene.root, "a", "out"));
    writeFileSync(Buffer.concat([Buffer.from(`${scene.root}/a/`), Buffer.from([0xff, 0xfe])]), "odd");
    const made = await plan(scene, { paths: ["a"], allow: ["in_use"] });
    assert.deepEqual(
      made.changes?.map(({ does }) => does),
      ["delete"],
    );
    const report = await applyById(scene.context, made.plan);
    assert.equal(report.status, "complete");
    assert.deepEqual(directories(scene), ["b"]);
    assert.deepEqual(readdirSync(outside), ["precious"]);
  });
});

describe("an eviction is about what it was asked for", () => {
  it("and refuses other paths, pinned directories and unknown ones before anything is planned", async () => {
    const scene = await makeScene(["a", "b"]);
    await withManagedStore(scene.cache, scene.context, (store) => store.setPinned("b", true));
    fill(scene.root, "unknown/film.bin", 10, DAY);
    for (const [path, code] of [
      ["../a", "forbidden"],
      ["/etc", "forbidden"],
      ["", "invalid_input"],
      [".", "invalid_input"],
      ["a/deep", "invalid_input"],
      [QUARANTINE, "forbidden"],
      ["b", "forbidden"],
      ["unknown", "not_found"],
    ] as const) {
      await assert.rejects(plan(scene, { paths: [path] }), failsWith(code), path);
    }
    await assert.rejects(plan(scene, { cache: ["other"] }), failsWith("invalid_input", /no managed cache/));
  });

  it("and is refused to a caller who may not free as much, also when it goes to the quarantine first", async () => {
    const scene = await makeScene(["a", "b"]);
    const made = await plan(scene, { paths: ["a"] });
    const bounded: Context = { ...scene.context, bounds: { confined: true, maxBytes: 999 } };
    await assert.rejects(applyById(bounded, made.plan), failsWith("forbidden", /1000 bytes; the operator allows 999/));
    assert.deepEqual(directories(scene), ["a", "b"]);
    const allowed: Context = { ...scene.context, bounds: { confined: true, maxBytes: 1000 } };
    assert.equal((await applyById(allowed, made.plan)).status, "complete");
  });

  it("and takes only the changes that a reviewer left in", async () => {
    const scene = await makeScene(["a", "b", "c"]);
    const made = await plan(scene, { bytes: 2500 });
    const narrowed = await invoke(evict, { from: made.plan, only: [2] }, scene.context);
    const report = await applyById(scene.context, narrowed.plan);
    assert.equal(report.entries, 1);
    assert.deepEqual(directories(scene), ["a", "c"]);
    const stored = loadPlan(scene.context.state(), narrowed.plan);
    assert.equal(stored.plan.actions.length, 1);
  });

  it("and measures what lies on the disk, not what the register remembers", async () => {
    const scene = await makeScene(["a", "b", "c"]);
    fill(scene.root, "a/more.bin", 9000, 3 * DAY);
    setAge(join(scene.root, "a"), 3 * DAY);
    const made = await plan(scene, { bytes: 1500 });
    assert.deepEqual(entriesOf(made), ["a"]);
    assert.equal(made.quarantinedBytes, 10_000);
    const descriptor = openSync(join(scene.root, "b"), "r");
    closeSync(descriptor);
    assert.ok(statSync(join(scene.root, "b")).isDirectory());
  });
});

describe("a managed cache whose register cannot be reached", () => {
  it("fails an eviction of its own, and is a trouble where others are looked at, too", async () => {
    const roots = [makePlace("managed"), makePlace("managed")] as const;
    for (const root of roots) fill(root, "a/film.bin", 1000, 3 * DAY);
    const embedded = { ...managedSettings(roots[0]), name: "near" };
    const shared = { ...managedSettings(roots[1], { store: "redis" }), name: "far" };
    const context = managedContext([embedded, shared], { redisUrl: "redis://127.0.0.1:1" });
    await assert.rejects(invoke(evict, { cache: ["far"] }, context), failsWith("unavailable"));
    const found = await invoke(check, {}, context);
    assert.deepEqual(
      found.errors.map(({ path, code }) => [path, code]),
      [[roots[1], "unavailable"]],
    );
    const both = await invoke(evict, {}, context);
    assert.deepEqual([both.status, both.errors.length], ["empty", 1]);
  });
});

describe("a configuration of managed caches is refused", () => {
  const write = (managed: readonly Record<string, unknown>[]) => {
    const file = join(makePlace("config"), "config.json");
    writeFileSync(file, JSON.stringify({ managed }));
    return () => readConfiguration(file, true);
  };
  for (const [what, managed, message] of [
    ["whose root is not absolute", [{ name: "a", root: "media" }], /not absolute/],
    ["with its watermarks the wrong way round", [{ name: "a", root: "/a", lowWatermark: 0.95 }], /low watermark/],
    [
      "of which two have one name",
      [
        { name: "a", root: "/a" },
        { name: "a", root: "/b" },
      ],
      /twice/,
    ],
    [
      "of which one lies in another",
      [
        { name: "a", root: "/a" },
        { name: "b", root: "/a/b/" },
      ],
      /shares directories/,
    ],
    ["whose policy is not known", [{ name: "a", root: "/a", policy: "random" }], /policy/],
  ] as const) {
    it(what, () => assert.throws(write(managed), failsWith("invalid_input", message)));
  }
});
