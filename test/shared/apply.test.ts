import assert from "node:assert/strict";
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { pid } from "node:process";

import { invoke } from "../../shared/index.ts";
import { history } from "../../shared/operations/history.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, entryFor, makeMovies, writeCache, writeMedia } from "../support/library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { applyById, failsWith, makeStaleLibrary, planCleanup, undoById } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";

describe("apply refuses what changed since the plan, and does the rest", () => {
  interface Case {
    readonly what: string;
    readonly change: (directory: string) => void;
    readonly message: RegExp;
    readonly allow?: readonly string[];
    readonly code?: string;
  }
  const cases: readonly Case[] = [
    {
      what: "a cache that was rewritten",
      change: (directory) => writeCache(directory, [entryFor(join(directory, "a one.mkv"))]),
      message: /changed since the plan/,
    },
    {
      what: "a cache of the same size with one other byte, its time put back",
      change: (directory) => {
        const cache = join(directory, CACHE);
        const { atime, mtime } = statSync(cache);
        writeFileSync(cache, readFileSync(cache, "utf8").replace('"h264"', '"h265"'));
        utimesSync(cache, atime, mtime);
      },
      message: /changed since the plan/,
    },
    {
      what: "a cache that was deleted",
      change: (directory) => rmSync(join(directory, CACHE)),
      message: /changed since the plan/,
    },
    {
      what: "a cache that became a link to another file",
      change: (directory) => {
        renameSync(join(directory, CACHE), join(directory, "other.json"));
        symlinkSync("other.json", join(directory, CACHE));
      },
      message: /ELOOP/,
      code: "unavailable",
    },
    {
      what: "an entry whose media came back",
      change: (directory) => writeMedia(directory, "gone.mkv"),
      message: /gone\.mkv is there again/,
    },
    {
      what: "an entry whose name became a link that leads in a circle",
      change: (directory) => symlinkSync("gone.mkv", join(directory, "gone.mkv")),
      message: /cannot be looked at \(ELOOP\)/,
    },
    {
      what: "a cache beside which mediabox locked a file",
      change: (directory) => {
        const lock = { hostname: hostname(), pid, timestamp: Date.now() / 1000 };
        writeFileSync(join(directory, "a one.mkv.lock"), JSON.stringify(lock));
      },
      message: /in use: a one\.mkv\.lock/,
    },
    {
      what: "a cache beside which mediabox has begun to write",
      change: (directory) => writeFileSync(join(directory, `${CACHE}.tmp`), "{"),
      message: /in use: \.mediabox_cache\.json\.tmp/,
    },
    {
      what: "a cache that is being written, even where in_use was allowed",
      change: (directory) => writeFileSync(join(directory, `${CACHE}.tmp`), "{"),
      message: /another program is writing/,
      allow: ["in_use"],
      code: "locked",
    },
    {
      what: "a directory that was replaced by a link out of the library",
      change: (directory) => {
        const outside = join(makePlace("outside"), "a");
        renameSync(directory, outside);
        symlinkSync(outside, directory);
      },
      message: /ENOTDIR|ELOOP|outside the library/,
      code: "unavailable",
    },
  ];

  for (const { what, change, message, allow = [], code = "stale_plan" } of cases) {
    it(`refuses ${what}`, async () => {
      const context = makeContext();
      const root = makeStaleLibrary("a", "b");
      const plan = await planCleanup(context, [root], { allow });
      assert.deepEqual([plan.status, plan.entries], ["ready", 2]);
      change(join(root, "a"));
      // A lock comes and goes: of the directory itself, the time may change.
      const contents = () => treeState(join(root, "a")).slice(1);
      const left = contents();
      const report = await applyById(context, plan.plan);
      assert.deepEqual([report.status, report.entries, report.files], ["partial", 1, 1]);
      assert.deepEqual(
        report.refused.map((refusal) => [refusal.file, refusal.code]),
        [[join(root, "a", CACHE), code]],
      );
      assert.match(report.refused[0]?.message ?? "", message);
      assert.deepEqual(contents(), left);
      assert.ok(!readFileSync(join(root, "b", CACHE), "utf8").includes("gone.mkv"));
      assert.deepEqual(
        report.outcomes?.map((outcome) => outcome.outcome),
        ["refused", "done"],
      );
    });
  }

  it("refuses an entry whose media changed once more", async () => {
    const context = makeContext();
    const root = makePlace("library");
    const [path = ""] = makeMovies(join(root, "a"), ["one.mkv", "two.mkv", "three.mkv"]);
    makeMovies(join(root, "b"), ["four.mkv"]);
    const old = entryFor(path);
    writeFileSync(path, "second version");
    writeCache(join(root, "a"), [old, entryFor(path)]);
    const plan = await planCleanup(context, [root]);
    assert.deepEqual(plan.byProblem, { superseded: 1 });
    writeFileSync(path, "third version!");
    const left = treeState(root);
    const report = await applyById(context, plan.plan);
    assert.deepEqual([report.status, report.entries, report.refused[0]?.code], ["refused", 0, "stale_plan"]);
    assert.match(report.refused[0]?.message ?? "", /one\.mkv changed/);
    assert.deepEqual(treeState(root), left);
  });

  it("refuses all of a cache when one of its entries may not go", async () => {
    const context = makeContext();
    const root = makePlace("library");
    const media = makeMovies(join(root, "a"), ["one.mkv", "two.mkv", "three.mkv", "four.mkv", "five.mkv"]);
    for (const path of media.slice(0, 2)) rmSync(path);
    const plan = await planCleanup(context, [root]);
    writeMedia(join(root, "a"), "two.mkv");
    const left = treeState(root);
    const report = await applyById(context, plan.plan);
    assert.deepEqual([report.status, report.entries], ["refused", 0]);
    assert.deepEqual(treeState(root), left);
  });

  it("undoes a partial run to the state it found, and leaves the refused file as it is", async () => {
    const context = makeContext();
    const root = makeStaleLibrary("a", "b");
    const plan = await planCleanup(context, [root]);
    writeMedia(join(root, "a"), "gone.mkv");
    const left = treeState(root);
    const report = await applyById(context, plan.plan);
    const undone = await undoById(context, report.run);
    assert.deepEqual([undone.status, undone.restored], ["complete", 1]);
    assert.deepEqual(treeState(root), left);
  });
});

describe("apply refuses as a whole", () => {
  const cases: readonly (readonly [what: string, change: (root: string) => void, message: RegExp])[] = [
    ["a root that was renamed", (root) => renameSync(root, `${root}-away`), /does not exist/],
    [
      "a root in whose place another directory stands",
      (root) => {
        renameSync(root, `${root}-away`);
        makeMovies(join(root, "a"), ["one.mkv"]);
      },
      /not the place it was.*inode/,
    ],
    [
      "a root that was emptied",
      (root) => {
        for (const name of ["a", "b"]) renameSync(join(root, name), join(makePlace("away"), name));
      },
      /is empty/,
    ],
    [
      "a root that is a file by now",
      (root) => {
        renameSync(root, `${root}-away`);
        writeFileSync(root, "");
      },
      /not a directory/,
    ],
    [
      "a root that is a link to another place by now",
      (root) => {
        renameSync(root, `${root}-away`);
        symlinkSync(`${root}-away`, root);
      },
      /not the place it was/,
    ],
  ];
  for (const [what, change, message] of cases) {
    it(`${what}: nothing is written, and the plan stays unused`, async () => {
      const context = makeContext();
      const root = join(makePlace("roots"), "library");
      renameSync(makeStaleLibrary("a", "b"), root);
      const plan = await planCleanup(context, [root]);
      assert.equal(plan.status, "ready");
      change(root);
      await assert.rejects(applyById(context, plan.plan), failsWith("blocked", message));
      assert.deepEqual((await invoke(history, {}, context)).runs, []);
    });
  }

  it("and carries the plan out once the root is back", async () => {
    const context = makeContext();
    const root = join(makePlace("roots"), "library");
    renameSync(makeStaleLibrary("a"), root);
    const plan = await planCleanup(context, [root]);
    renameSync(root, `${root}-away`);
    await assert.rejects(applyById(context, plan.plan), failsWith("blocked"));
    renameSync(`${root}-away`, root);
    assert.equal((await applyById(context, plan.plan)).status, "complete");
  });
});

describe("apply of a rehome", () => {
  /** Media of `a` went to `b`, which has a cache of its own, or none. */
  function makeMoved(hasCache: boolean) {
    const root = makePlace("library");
    makeMovies(join(root, "a"), ["one.mkv", "moved.mkv"]);
    if (hasCache) makeMovies(join(root, "b"), ["two.mkv"]);
    makeDirectory(root, "b");
    renameSync(join(root, "a", "moved.mkv"), join(root, "b", "moved.mkv"));
    const [from, to] = [join(root, "a", CACHE), join(root, "b", CACHE)];
    return { root, from, to, text: (cache: string) => readFileSync(cache, "utf8") };
  }

  for (const hasCache of [true, false]) {
    it(`puts the entry byte for byte into ${hasCache ? "the cache" : "a new cache"} beside its media`, async () => {
      const context = makeContext();
      const { root, from, to, text } = makeMoved(hasCache);
      const entry = entryFor(join(root, "b", "moved.mkv"));
      const plan = await planCleanup(context, [root]);
      assert.deepEqual(
        plan.changes?.map(({ does, cache, to: home, reason }) => [does, cache, home, reason.rule]),
        [["rehome", from, to, "media_moved"]],
      );
      const report = await applyById(context, plan.plan);
      assert.deepEqual([report.status, report.entries, report.files], ["complete", 1, 2]);
      assert.ok(text(to).includes(entry));
      assert.ok(!text(from).includes("moved.mkv"));
    });
  }

  it("does not cut the source when the new home was refused", async () => {
    const context = makeContext();
    const { root, to, from } = makeMoved(true);
    const plan = await planCleanup(context, [root]);
    writeCache(join(root, "b"), []);
    const left = treeState(root);
    const report = await applyById(context, plan.plan);
    assert.deepEqual([report.status, report.entries], ["refused", 0]);
    assert.deepEqual(
      report.refused.map(({ file, message }) => [file, /come before was refused/.test(message)]),
      [
        [to, false],
        [from, true],
      ],
    );
    assert.deepEqual(treeState(root), left);
  });

  it("keeps the entry in both places when the source was refused", async () => {
    const context = makeContext();
    const { root, from, to, text } = makeMoved(true);
    const plan = await planCleanup(context, [root]);
    writeFileSync(from, `${text(from)}\n`);
    const report = await applyById(context, plan.plan);
    assert.deepEqual([report.status, report.entries, report.files], ["partial", 0, 1]);
    assert.ok(text(to).includes("moved.mkv") && text(from).includes("moved.mkv"));
  });

  it("refuses when the media moved on", async () => {
    const context = makeContext();
    const { root } = makeMoved(true);
    const plan = await planCleanup(context, [root]);
    renameSync(join(root, "b", "moved.mkv"), join(root, "moved.mkv"));
    const left = treeState(root);
    assert.equal((await applyById(context, plan.plan)).status, "refused");
    assert.deepEqual(treeState(root), left);
  });

  it("writes one entry when twins from two directories became one file", async () => {
    const context = makeContext();
    const { root, to, text } = makeMoved(false);
    makeMovies(join(root, "c"), ["moved.mkv", "three.mkv"]);
    rmSync(join(root, "c", "moved.mkv"));
    const plan = await planCleanup(context, [root]);
    assert.deepEqual(
      plan.changes?.map(({ does }) => does),
      ["rehome", "rehome"],
    );
    const report = await applyById(context, plan.plan);
    assert.deepEqual([report.status, report.entries, report.reclaimedBytes], ["complete", 2, plan.bytes]);
    assert.equal(text(to).split('"fingerprint_hash"').length - 1, 1);
  });

  it("takes the entry to the place that lacks it, not to a twin that has its own", async () => {
    const context = makeContext();
    const { root, to, text } = makeMoved(false);
    makeMovies(join(root, "a twin"), ["moved.mkv"]);
    const plan = await planCleanup(context, [root]);
    assert.deepEqual(
      plan.changes?.map(({ does, to: home }) => [does, home]),
      [["rehome", to]],
    );
    await applyById(context, plan.plan);
    assert.ok(text(to).includes("moved.mkv"));
  });

  it("takes entries that change places along, each to the other's cache", async () => {
    const context = makeContext();
    const { root, from, to, text } = makeMoved(true);
    renameSync(join(root, "b", "two.mkv"), join(root, "a", "two.mkv"));
    const plan = await planCleanup(context, [root]);
    const report = await applyById(context, plan.plan);
    assert.deepEqual([report.status, report.entries, report.caches], ["complete", 2, 2]);
    assert.ok(text(from).includes("two.mkv") && !text(from).includes("moved.mkv"));
    assert.ok(text(to).includes("moved.mkv") && !text(to).includes("two.mkv"));
    mkdirSync(join(root, "empty"));
    assert.equal((await planCleanup(context, [root])).status, "empty");
  });
});
