import assert from "node:assert/strict";
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { pid } from "node:process";

import type { Context } from "../../shared/index.ts";
import { GUARDS } from "../../shared/guard.ts";
import { presenceOf } from "../../shared/presence.ts";
import { withTimeLimit } from "../../shared/time-limit.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, entryFor, makeMovies, writeCache } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { applyById, failsWith, makeStaleLibrary, planCleanup } from "../support/runs.ts";

/** A library of one directory with so many films, of which some were deleted. */
function makeLoss(all: number, lost: number): string {
  const root = makePlace("loss");
  const names = Array.from({ length: all }, (_, index) => `film ${index}.mkv`);
  for (const path of makeMovies(join(root, "a"), names).slice(0, lost)) rmSync(path);
  return root;
}

interface Case {
  readonly guard: string;
  readonly what: string;
  readonly make: (context: Context) => Promise<string> | string;
  readonly config?: Record<string, unknown>;
  readonly observed: string | number;
  /** `undefined`: cannot be allowed. */
  readonly entries?: number;
}

const cases: readonly Case[] = [
  {
    guard: "root_missing",
    what: "a root that does not exist",
    make: () => join(makePlace(), "no"),
    observed: "ENOENT",
  },
  {
    guard: "root_missing",
    what: "a root below a file",
    make: () => {
      const place = makePlace();
      writeFileSync(join(place, "file"), "");
      return join(place, "file", "root");
    },
    observed: "ENOTDIR",
  },
  {
    guard: "root_not_a_directory",
    what: "a root that is a file",
    make: () => {
      const file = join(makePlace(), "file");
      writeFileSync(file, "");
      return file;
    },
    observed: "it is a file",
  },
  {
    guard: "root_unreadable",
    what: "a root that is a link in a circle",
    make: () => {
      const link = join(makePlace(), "link");
      symlinkSync("link", link);
      return link;
    },
    observed: "ELOOP",
  },
  {
    guard: "root_empty",
    what: "a root that is empty",
    make: () => makePlace(),
    observed: "no names in it",
    entries: 0,
  },
  {
    guard: "root_changed",
    what: "another disk in a root's place",
    make: async (context) => {
      const root = makeStaleLibrary("a");
      await planCleanup(context, [root]);
      pretendOtherDisk(context, root);
      return root;
    },
    observed: "device",
    entries: 1,
  },
  {
    guard: "root_changed",
    what: "a root that leads to another place by now",
    make: async (context) => {
      const root = join(makePlace(), "library");
      symlinkSync(makeLoss(2, 0), root);
      await planCleanup(context, [root]);
      rmSync(root);
      symlinkSync(makeStaleLibrary("a"), root);
      return root;
    },
    observed: "it led to",
    entries: 1,
  },
  {
    guard: "stale_ratio",
    what: "a small library that lost all",
    make: () => makeLoss(3, 3),
    observed: "3 of 3",
    entries: 3,
  },
  {
    guard: "stale_ratio",
    what: "a library of 20 that lost more than half",
    make: () => makeLoss(20, 11),
    observed: "11 of 20",
    entries: 11,
  },
  {
    guard: "stale_ratio",
    what: "a loss above the configured share",
    make: () => makeLoss(40, 5),
    config: { guards: { staleRatio: 0.1 } },
    observed: "5 of 40",
    entries: 5,
  },
  {
    guard: "too_many",
    what: "more changes than a plan may have",
    make: () => makeLoss(9, 4),
    config: { guards: { maxEntries: 3 } },
    observed: 4,
    entries: 4,
  },
  {
    guard: "clock_skew",
    what: "a cache from the future",
    make: () => {
      const root = makeStaleLibrary("a");
      const soon = Date.now() / 1000 + 600;
      utimesSync(join(root, "a", CACHE), soon, soon);
      return root;
    },
    observed: "m ahead",
    entries: 1,
  },
];

/** Makes the store remember the root from another device than it is on. */
function pretendOtherDisk(context: Context, root: string): void {
  const state = context.state();
  const known = String(state.get("SELECT passport FROM roots WHERE path = ?", root)?.["passport"]);
  const passport = JSON.stringify({ ...(JSON.parse(known) as object), device: "4711" });
  const changed = state.write(() => state.run("UPDATE roots SET passport = ? WHERE path = ?", passport, root));
  assert.equal(changed, 1);
}

describe("a guard", () => {
  for (const { guard, what, make, config, observed, entries } of cases) {
    it(`${guard} blocks ${what}, with cause and advice`, async () => {
      const context = makeContext(config === undefined ? {} : { config });
      const root = await make(context);
      const plan = await planCleanup(context, [root]);
      assert.equal(plan.status, "blocked");
      assert.equal(plan.blocked.length, 1);
      const [blocked] = plan.blocked;
      assert.equal(blocked?.guard, guard);
      assert.ok(String(blocked?.observed).includes(String(observed)), String(blocked?.observed));
      assert.ok(blocked?.path.startsWith(root));
      assert.equal(blocked?.override, entries === undefined ? null : guard);
      assert.match(blocked?.advice ?? "", /\w.*\.$/);
      await assert.rejects(applyById(context, plan.plan), failsWith("blocked"));
    });

    if (entries === undefined) {
      it(`${guard} holds for ${what} whatever is allowed`, async () => {
        const context = makeContext();
        const plan = await planCleanup(context, [await make(context)], { allow: [...GUARDS] });
        assert.deepEqual([plan.status, plan.blocked.map((blocked) => blocked.guard)], ["blocked", [guard]]);
      });
    } else {
      it(`${guard} lets ${what} pass when it is allowed by name, and only then`, async () => {
        const context = makeContext(config === undefined ? {} : { config });
        const root = await make(context);
        const others = GUARDS.filter((name) => name !== guard);
        assert.equal((await planCleanup(context, [root], { allow: others })).status, "blocked");
        const plan = await planCleanup(context, [root], { allow: [guard] });
        assert.deepEqual([plan.status, plan.entries], [entries === 0 ? "empty" : "ready", entries]);
        // Only this plan: the next one is judged by the guard again, but for a new place, which is known by then.
        const next = await planCleanup(context, [root]);
        assert.equal(next.status, guard === "root_changed" ? "ready" : "blocked");
        assert.equal((await applyById(context, plan.plan)).entries, entries);
      });
    }
  }

  it("gives other advice for every cause", async () => {
    const advices = new Map<string, string>();
    for (const { guard, make, config } of cases) {
      const context = makeContext(config === undefined ? {} : { config });
      const plan = await planCleanup(context, [await make(context)]);
      advices.set(guard, plan.blocked[0]?.advice ?? "");
    }
    assert.equal(advices.size, 8);
    assert.equal(new Set(advices.values()).size, advices.size);
  });

  it("on one root of several blocks the whole plan, and nothing is judged", async () => {
    const context = makeContext();
    const [good, missing] = [makeStaleLibrary("a"), join(makePlace(), "missing")];
    const plan = await planCleanup(context, [good, missing]);
    assert.deepEqual([plan.status, plan.blocked.map(({ path }) => path)], ["blocked", [missing]]);
    assert.deepEqual([plan.entries, plan.changes], [0, []]);
  });

  it("lets a library pass that was replaced by a copy since the last plan", async () => {
    const context = makeContext();
    const root = makeStaleLibrary("a");
    await planCleanup(context, [root]);
    renameSync(root, `${root}-away`);
    renameSync(makeStaleLibrary("a"), root);
    assert.equal((await planCleanup(context, [root])).status, "ready");
  });

  it("that blocked does not make a changed root known", async () => {
    const context = makeContext();
    const root = makeStaleLibrary("a");
    await planCleanup(context, [root]);
    pretendOtherDisk(context, root);
    for (let times = 0; times < 2; times += 1) {
      const plan = await planCleanup(context, [root]);
      assert.deepEqual([plan.status, plan.blocked[0]?.guard], ["blocked", "root_changed"]);
    }
  });
});

describe("the stale ratio", () => {
  const passes: readonly (readonly [what: string, make: () => string, entries: number])[] = [
    ["two of three in a small library", () => makeLoss(3, 2), 2],
    ["18 of 19", () => makeLoss(19, 18), 18],
    ["half of a library of 20", () => makeLoss(20, 10), 10],
    ["a single entry, the only one", () => makeLoss(1, 1), 1],
  ];
  for (const [what, make, entries] of passes) {
    it(`lets pass ${what}`, async () => {
      const plan = await planCleanup(makeContext(), [make()]);
      assert.deepEqual([plan.status, plan.entries], ["ready", entries]);
    });
  }

  it("does not count superseded entries: their media is there", async () => {
    const root = makePlace("library");
    const media = makeMovies(join(root, "a"), ["one.mkv", "two.mkv", "three.mkv"]);
    const old = media.map((path) => entryFor(path));
    for (const path of media) writeFileSync(path, "converted");
    writeCache(join(root, "a"), [...old, ...media.map((path) => entryFor(path))]);
    const plan = await planCleanup(makeContext(), [root]);
    assert.deepEqual([plan.status, plan.byProblem], ["ready", { superseded: 3 }]);
  });

  it("does not count entries that go along with their media", async () => {
    const root = makeLoss(3, 0);
    renameSync(join(root, "a"), join(root, "b"));
    mkdirSync(join(root, "a"));
    renameSync(join(root, "b", CACHE), join(root, "a", CACHE));
    const plan = await planCleanup(makeContext(), [root]);
    assert.deepEqual([plan.status, plan.changes?.map(({ does }) => does)], ["ready", ["rehome", "rehome", "rehome"]]);
  });

  it("is taken for each root by itself", async () => {
    const [full, lost] = [makePlace("full"), makeLoss(4, 4)];
    const names = Array.from({ length: 60 }, (_, index) => `other ${index}.mkv`);
    makeMovies(full, names);
    const plan = await planCleanup(makeContext(), [full, lost]);
    assert.deepEqual(
      plan.blocked.map(({ guard, path }) => [guard, path]),
      [["stale_ratio", lost]],
    );
  });
});

describe("a cache in use", () => {
  const now = () => Date.now() / 1000;
  const locks: readonly (readonly [what: string, lock: () => unknown])[] = [
    [
      "by a live process of this host, however old its lock",
      () => ({ hostname: hostname(), pid, timestamp: now() - 86_400 }),
    ],
    [
      "by a lock of another host younger than six hours",
      () => ({ hostname: "other", pid: 1, timestamp: now() - 5.9 * 3600 }),
    ],
    [
      "by a young lock of a process that is not found",
      () => ({ hostname: hostname(), pid: 2 ** 22, timestamp: now() - 60 }),
    ],
  ];
  for (const [what, lock] of locks) {
    it(`${what} is skipped with its rule, and taken when in_use is allowed`, async () => {
      const context = makeContext();
      const root = makeStaleLibrary("a", "b");
      writeFileSync(join(root, "a", "a one.mkv.lock"), JSON.stringify({ ...(lock() as object), file: "x" }));
      const plan = await planCleanup(context, [root]);
      assert.deepEqual([plan.status, plan.entries], ["ready", 1]);
      assert.deepEqual(
        plan.skipped.map(({ cache, rule, observed }) => [cache, rule, observed]),
        [[join(root, "a", CACHE), "in_use", "a one.mkv.lock"]],
      );
      const all = await planCleanup(context, [root], { allow: ["in_use"] });
      assert.deepEqual([all.entries, all.skipped], [2, []]);
      assert.deepEqual((await applyById(context, all.plan)).status, "complete");
    });
  }

  it("is not one beside an abandoned lock or a lock of another program", async () => {
    const context = makeContext();
    const root = makeStaleLibrary("a", "b");
    const old = { hostname: hostname(), pid: 2 ** 22, timestamp: now() - 7 * 3600 };
    writeFileSync(join(root, "a", "a one.mkv.lock"), JSON.stringify(old));
    writeFileSync(join(root, "b", "Cargo.lock"), "[[package]]");
    const plan = await planCleanup(context, [root]);
    assert.deepEqual([plan.byProblem, plan.skipped], [{ orphaned: 2, leftover: 1 }, []]);
    assert.equal((await applyById(context, plan.plan)).status, "complete");
    assert.equal(readFileSync(join(root, "b", "Cargo.lock"), "utf8"), "[[package]]");
  });
});

describe("the least age of a cache", () => {
  const hour = 3600;
  function makeAged(hours: number): string {
    const root = makeStaleLibrary("a");
    const time = Date.now() / 1000 - hours * hour;
    utimesSync(join(root, "a", CACHE), time, time);
    return root;
  }

  it("is nothing when somebody is watching", async () => {
    const plan = await planCleanup(makeContext(), [makeAged(0)]);
    assert.deepEqual([plan.entries, plan.skipped], [1, []]);
  });

  it("is 24 hours when nobody is, and what was skipped is said with both times", async () => {
    const plan = await planCleanup(makeContext(), [makeAged(23)], { unattended: true });
    assert.deepEqual([plan.status, plan.entries], ["empty", 0]);
    assert.deepEqual(
      plan.skipped.map(({ name, rule, observed, threshold }) => [name, rule, observed, threshold]),
      [["gone.mkv", "too_recent", "23h", "1d"]],
    );
    const old = await planCleanup(makeContext(), [makeAged(25)], { unattended: true });
    assert.deepEqual([old.entries, old.skipped], [1, []]);
  });

  it("can be configured, and given for one run", async () => {
    const context = makeContext({ config: { guards: { minAge: "3h" } } });
    const root = makeAged(4);
    assert.equal((await planCleanup(context, [root], { unattended: true })).entries, 1);
    assert.equal((await planCleanup(context, [root], { unattended: true, minAge: "5h" })).entries, 0);
    assert.equal((await planCleanup(context, [root], { minAge: "5h" })).entries, 0);
    assert.equal((await planCleanup(context, [makeAged(1)], { unattended: true, minAge: "0s" })).entries, 1);
  });
});

describe("presence", () => {
  it("is gone only for ENOENT and ENOTDIR, and unknown for every other error", async () => {
    const place = makePlace();
    writeFileSync(join(place, "file"), "12345");
    symlinkSync("circle", join(place, "circle"));
    symlinkSync("nowhere", join(place, "dangling"));
    const stateOf = async (name: string) => {
      const presence = await presenceOf(join(place, name), 30);
      return presence.state === "unknown" ? presence.errno : presence.state;
    };
    assert.equal(await stateOf("file"), "present");
    assert.equal(await stateOf("."), "present");
    assert.equal(await stateOf("missing"), "gone");
    assert.equal(await stateOf("dangling"), "gone");
    assert.equal(await stateOf("file/below"), "gone");
    assert.equal(await stateOf("circle"), "ELOOP");
    assert.equal(await stateOf("n".repeat(300)), "ENAMETOOLONG");
  });

  it("is unknown when the storage does not answer in time", async () => {
    const never = new Promise<never>(() => undefined);
    await assert.rejects(
      withTimeLimit(() => never, 0, "/mnt/share"),
      { code: "ETIMEDOUT", message: /no answer within 0 s/ },
    );
  });

  it("unknown keeps the entry and is reported", async () => {
    const root = makeStaleLibrary("a");
    symlinkSync("gone.mkv", join(root, "a", "gone.mkv"));
    const plan = await planCleanup(makeContext(), [root]);
    assert.deepEqual([plan.status, plan.entries, plan.kept], ["empty", 0, { unreachable: 1 }]);
  });
});
