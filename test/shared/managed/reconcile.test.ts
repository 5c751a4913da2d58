import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { withManagedStore } from "../../../shared/caches/managed/open.ts";
import { reconcile } from "../../../shared/caches/managed/reconcile.ts";
import type { ManagedCache } from "../../../shared/caches/managed/settings.ts";
import { makePlace } from "../../support/place.ts";
import { failsWith } from "../../support/runs.ts";
import { mountTmpfs, unmountAll } from "../../faults/mounts.ts";
import { prepareRedis } from "./redis-place.ts";
import { fill, managedContext, managedSettings, setAge } from "./managed-place.ts";

/** A cache of three directories, nothing registered yet. */
function makeScene(parts: Partial<ManagedCache> = {}, root = makePlace("reconcile")) {
  fill(root, "Alien/film.mkv", 1000, 7200);
  fill(root, "Brazil/film.mkv", 2000, 3600);
  fill(root, "Brazil/deep/extra.mkv", 500, 5400);
  setAge(join(root, "Brazil"), 7200);
  fill(root, "Cube/film.mkv", 0, 86_400);
  const cache = managedSettings(root, { ...parts, root });
  const context = managedContext([cache]);
  const run = () => withManagedStore(cache, context, (store) => reconcile(cache, store, context));
  const entries = () =>
    withManagedStore(cache, context, (store) => store.list({ offset: 0, limit: 100, newestFirst: false }));
  return { root, cache, context, run, entries };
}

/** The state of a tree, without reading its files: that would be a use of them. */
const unread = (root: string) => execFileSync("find", [root, "-printf", "%p %y %s %T@ %i\\n"], { encoding: "utf8" });

const counts = ({ registered, corrected, unchanged, untracked, orphans }: Awaited<ReturnType<typeof reconcile>>) => [
  registered,
  corrected,
  unchanged,
  untracked,
  orphans.length,
];

describe("a reconciliation", () => {
  after(unmountAll);

  it("registers what is there with real sizes and last uses, and the second time changes nothing", async () => {
    const { root, run, entries } = makeScene();
    writeFileSync(join(root, "loose.mkv"), "x");
    symlinkSync("Alien", join(root, "Link"));
    fill(root, ".cache-ops-quarantine/old/film.mkv", 9999);
    const before = unread(root);
    const first = await run();
    assert.deepEqual(counts(first), [3, 0, 0, 0, 0]);
    assert.deepEqual(
      [first.before, first.after],
      [
        { directories: 0, bytes: 0 },
        { directories: 3, bytes: 3500 },
      ],
    );
    const seen = await entries();
    assert.deepEqual(
      seen.map(({ path, bytes, files, accesses, isPinned }) => [path, bytes, files, accesses, isPinned]),
      [
        ["Cube", 0, 1, 0, false],
        ["Alien", 1000, 1, 0, false],
        ["Brazil", 2500, 2, 0, false],
      ],
    );
    const ago = seen.map(({ accessedAt }) => Math.round((Date.now() - accessedAt) / 60_000));
    assert.deepEqual(ago, [1440, 120, 60]);
    assert.deepEqual(first.troubles, []);
    assert.deepEqual(counts(await run()), [0, 0, 3, 0, 0]);
    assert.deepEqual(await entries(), seen);
    assert.equal(unread(root), before);
  });

  it("corrects a directory that changed anywhere below, keeps pins, and forgets what is gone", async () => {
    const { root, cache, context, run, entries } = makeScene();
    await run();
    await withManagedStore(cache, context, async (store) => store.setPinned("Brazil", true));
    const earlier = new Date(Date.now() - 7200_000);
    writeFileSync(join(root, "Brazil/deep/extra.mkv"), "x".repeat(700));
    utimesSync(join(root, "Brazil/deep/extra.mkv"), earlier, earlier);
    rmSync(join(root, "Alien"), { recursive: true });
    const second = await run();
    assert.deepEqual(counts(second), [0, 1, 1, 0, 1]);
    assert.deepEqual(second.orphans, ["Alien"]);
    assert.deepEqual(second.after, { directories: 2, bytes: 2700 });
    const brazil = (await entries()).find(({ path }) => path === "Brazil");
    assert.deepEqual([brazil?.bytes, brazil?.isPinned], [2700, true]);
    assert.deepEqual(counts(await run()), [0, 0, 2, 0, 0]);
  });

  it("takes the reading of a file as use, and moves a use never backward", async () => {
    const { root, cache, context, run, entries } = makeScene();
    await run();
    const file = join(root, "Alien/film.mkv");
    const now = Math.floor(Date.now() / 1000);
    utimesSync(file, now - 60, now - 7200);
    assert.deepEqual(counts(await run()), [0, 1, 2, 0, 0]);
    const alien = async () => (await entries()).find(({ path }) => path === "Alien")?.accessedAt;
    assert.equal(await alien(), (now - 60) * 1000);
    await withManagedStore(cache, context, async (store) => store.touch("Alien", now * 1000));
    utimesSync(file, now - 9000, now - 9000);
    assert.deepEqual(counts(await run()), [0, 0, 3, 0, 0]);
    assert.equal(await alien(), now * 1000);
    utimesSync(file, now + 9000, now + 9000);
    await run();
    assert.ok(((await alien()) ?? Infinity) <= Date.now());
  });

  it("does not take times of access for uses where the mount does not keep them", async () => {
    const place = mountTmpfs("1m");
    execFileSync("mount", ["-o", "remount,noatime", place]);
    const { root, run, entries } = makeScene({}, place);
    const now = Math.floor(Date.now() / 1000);
    utimesSync(join(root, "Alien/film.mkv"), now, now - 7200);
    await run();
    const alien = (await entries()).find(({ path }) => path === "Alien");
    assert.equal(alien?.accessedAt, (now - 7200) * 1000);
  });

  it("leaves directories that nobody registered alone where that is not wanted, and counts them", async () => {
    const { cache, context, run } = makeScene({ autoRegister: false });
    await withManagedStore(cache, context, async (store) => store.register([{ path: "Cube", bytes: 7, files: 1 }], 1));
    assert.deepEqual(counts(await run()), [0, 1, 0, 2, 0]);
  });

  it("brings nothing back that was forgotten while it was measured", async () => {
    const { cache, context, entries } = makeScene({ autoRegister: false });
    await withManagedStore(cache, context, async (store) => {
      const names = ["Alien", "Brazil", "Cube"];
      await store.register(
        names.map((path) => ({ path, bytes: 7, files: 1 })),
        1,
      );
      const forgetting: Promise<number>[] = [];
      const progress = () => void forgetting.push(store.forget(["Brazil"]));
      const found = await reconcile(cache, store, { ...context, progress });
      await Promise.all(forgetting);
      assert.equal(found.after.directories, 2);
    });
    assert.deepEqual((await entries()).map(({ path }) => path).toSorted(), ["Alien", "Cube"]);
  });

  it("works at its depth only", async () => {
    const root = makePlace("deep");
    for (const name of ["A/One/f", "A/Two/x/f", "B/Three/f", "B/loose"]) fill(root, name, 10);
    symlinkSync("A", join(root, "C"));
    const cache = managedSettings(root, { depth: 2 });
    const context = managedContext([cache]);
    const { registered } = await withManagedStore(cache, context, (store) => reconcile(cache, store, context));
    assert.equal(registered, 3);
    const rows = await withManagedStore(cache, context, (store) =>
      store.list({ offset: 0, limit: 9, newestFirst: true }),
    );
    assert.deepEqual(rows.map(({ path }) => path).toSorted(), ["A/One", "A/Two", "B/Three"]);
  });

  for (const [what, harm] of [
    ["missing", (root: string) => renameSync(root, `${root}.away`)],
    ["empty", (root: string) => readdirSync(root).forEach((name) => rmSync(join(root, name), { recursive: true }))],
    ["a file", (root: string) => (renameSync(root, `${root}.away`), writeFileSync(root, ""))],
    [
      "another file system than before",
      (root: string) => {
        const place = mountTmpfs("1m");
        mkdirSync(join(place, "lost+found"));
        execFileSync("mount", ["--bind", place, root]);
      },
    ],
  ] as const) {
    it(`forgets nothing and registers nothing while the root is ${what}`, async () => {
      const { root, run, entries } = makeScene();
      await run();
      const before = await entries();
      harm(root);
      try {
        const second = await run();
        assert.deepEqual(counts(second), [0, 0, 0, 0, 0]);
        assert.match(second.troubles[0]?.code ?? "", /^root_/);
        assert.deepEqual(await entries(), before);
      } finally {
        if (what.startsWith("another")) execFileSync("umount", [root]);
      }
    });
  }

  it("leaves what it cannot see whole as it is: another mount, a name that is no UTF-8, a link in place of a directory", async () => {
    const { root, run, entries } = makeScene();
    await run();
    const before = await entries();
    const mount = mountTmpfs("1m");
    fill(mount, "inside", 5);
    mkdirSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff])]));
    renameSync(join(root, "Alien"), join(root, "../alien-elsewhere"));
    symlinkSync("../alien-elsewhere", join(root, "Alien"));
    execFileSync("mount", ["--bind", mount, join(root, "Brazil")]);
    try {
      const second = await run();
      assert.deepEqual(counts(second), [0, 0, 1, 0, 0]);
      assert.deepEqual(second.troubles.map(({ code }) => code).toSorted(), [
        "foreign_device",
        "name_not_utf8",
        "not_a_member",
      ]);
      assert.deepEqual(await entries(), before);
    } finally {
      execFileSync("umount", [join(root, "Brazil")]);
      rmSync(join(root, "../alien-elsewhere"), { recursive: true });
    }
  });

  it("takes an empty root of an empty register for what it is", async () => {
    const cache = managedSettings(makePlace("new"));
    const context = managedContext([cache]);
    const found = await withManagedStore(cache, context, (store) => reconcile(cache, store, context));
    assert.deepEqual([counts(found), found.troubles], [[0, 0, 0, 0, 0], []]);
  });

  describe("with a register in Redis", () => {
    const redis = prepareRedis();

    it("brings it in line with the disk, and the second time changes nothing", async () => {
      const { root, cache, context } = makeScene({ store: "redis", ttl: "1d" });
      const store = await redis.open(cache);
      const run = () => reconcile(cache, store, context);
      assert.deepEqual(counts(await run()), [3, 0, 0, 0, 0]);
      assert.equal(redis.ask("get", "cache:bytes"), "3500");
      assert.deepEqual(counts(await run()), [0, 0, 3, 0, 0]);
      redis.backendRegisters("Alien", 1000);
      redis.backendRegisters("Ghost", 70_000);
      fill(root, "Alien/more", 11, 7200);
      rmSync(join(root, "Brazil"), { recursive: true });
      const found = await run();
      assert.deepEqual(found.orphans.toSorted(), ["Brazil", "Ghost"]);
      assert.deepEqual([found.corrected, found.after], [1, { directories: 2, bytes: 1011 }]);
      assert.equal(redis.ask("get", "cache:bytes"), "1011");
      assert.deepEqual(redis.keys("*Ghost*"), []);
    });
  });

  it("stops when it is told to", async () => {
    const { cache, context } = makeScene();
    const stopped = { ...context, signal: AbortSignal.abort() };
    await assert.rejects(
      withManagedStore(cache, stopped, (store) => reconcile(cache, store, stopped)),
      failsWith("interrupted"),
    );
  });
});
