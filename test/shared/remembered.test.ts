import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { cleanupChange } from "../../shared/caches/directory/changes.ts";
import { draftDirectory } from "../../shared/caches/directory/draft.ts";
import { recall } from "../../shared/caches/directory/recall.ts";
import { loadRemembered } from "../../shared/caches/directory/remembered-store.ts";
import { scanDirectories } from "../../shared/caches/directory/scan.ts";
import type { Context } from "../../shared/index.ts";
import { areLocal } from "../../shared/local.ts";
import { inspectRoot, type Passport } from "../../shared/passport.ts";
import type { Depth, Scan } from "../../shared/scan.ts";
import { makeContext } from "../support/context.ts";
import { makeDice } from "../support/dice.ts";
import { CACHE, entryFor, makeMovies, writeCache, writeMedia } from "../support/library.ts";
import { makeOddLibrary, ODDITIES } from "../support/odd-library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";

/** By this clock everything was written long enough ago to be remembered. */
const LATER = Date.now() + 3_600_000;
const later = () => LATER;
/** Longer than file systems count as one moment. */
const aMoment = () => delay(30);

async function passportOf(root: string): Promise<Passport> {
  const state = await inspectRoot(root, 30);
  assert.ok(state.state === "healthy");
  return state.passport;
}

async function look(root: string, context: Context, depth: Depth = "names"): Promise<Scan> {
  return scanDirectories([await passportOf(root)], context, { depth });
}

/** What a scan says of a library, however much it keeps of caches in order. */
function saidBy({ caches, found, troubles, inOrder = [] }: Scan) {
  const all = [...caches, ...inOrder];
  return {
    found,
    troubles,
    caches: caches.length + inOrder.reduce((sum, one) => sum + one.caches, 0),
    entries: all.reduce((sum, { entries }) => sum + entries, 0),
  };
}

/** The directories that the next look by names would have to begin with. */
async function changedIn(root: string, context: Context, isFast = false): Promise<string[]> {
  const options = { signal: context.signal, now: context.now(), isFast };
  const { begin } = await recall(root, loadRemembered(context.state(), root), options);
  return begin.map(({ path }) => path.slice(root.length + 1)).toSorted();
}

/** A library of three directories with two films each, looked at once. */
async function makeKnown(now = later): Promise<{ readonly root: string; readonly context: Context }> {
  const root = makePlace("known");
  for (const name of ["a", "b", "b/c"]) makeMovies(makeDirectory(root, name), ["one.mkv", "two.mkv"]);
  const context = makeContext({ now });
  assert.deepEqual(saidBy(await look(root, context)), { found: [], troubles: [], caches: 3, entries: 6 });
  await aMoment();
  return { root, context };
}

describe("a look by names", () => {
  for (const seed of [1, 2, 3]) {
    it(`finds what is stale just as a full one does, and nothing else to be stale, in an odd library (${seed})`, async () => {
      const root = makeOddLibrary(makeDice(seed));
      const isStale = ({ finding }: Scan["found"][number]) =>
        finding.problem === "orphaned" || finding.problem === "superseded" || finding.problem === "leftover";
      const [full, named] = [
        await look(root, makeContext({ now: later }), "full"),
        await look(root, makeContext({ now: later })),
      ];
      assert.ok(full.found.filter(isStale).length > 20);
      assert.deepEqual(named.found.filter(isStale), full.found.filter(isStale));
      assert.deepEqual(named.troubles, full.troubles);
      const [{ caches, entries }, all] = [saidBy(named), saidBy(full)];
      assert.deepEqual([caches, entries], [all.caches, all.entries]);
    });
  }

  it("does not see that media changed in place, which a full one does", async () => {
    const { root, context } = await makeKnown();
    writeMedia(join(root, "a"), "one.mkv", "another");
    assert.deepEqual((await look(root, context)).found, []);
    assert.deepEqual(
      (await look(root, context, "full")).found.map(({ finding }) => finding.problem),
      ["changed"],
    );
  });

  it("is told of a cache that others reach through links, though it is in order itself", async () => {
    const { root, context } = await makeKnown();
    rmSync(join(root, "a", CACHE));
    symlinkSync(join("..", "b", CACHE), join(root, "a", CACHE));
    for (const depth of ["full", "names", "names"] as const) {
      const { found } = await look(root, context, depth);
      const rules = found.map(({ finding }) => [finding.cache, finding.reason.rule]);
      assert.deepEqual(
        rules,
        ["a", "b"].map((name) => [join(root, name, CACHE), "cache_shared_by_links"]),
      );
    }
  });
});

describe("what is remembered of a library", () => {
  it("is enough to look into nothing when nothing changed", async () => {
    const { root, context } = await makeKnown();
    assert.deepEqual(await changedIn(root, context), []);
    assert.deepEqual(saidBy(await look(root, context)), { found: [], troubles: [], caches: 3, entries: 6 });
  });

  const inPlace = (path: string) => {
    const { atimeMs, mtimeMs } = statSync(path);
    writeFileSync(path, readFileSync(path, "utf8").replace("one.mkv", "non.mkv"));
    utimesSync(path, atimeMs / 1000, mtimeMs / 1000);
  };
  const cases: readonly [what: string, change: (root: string) => void, changed: readonly string[], fast?: string[]][] =
    [
      ["a film that was removed", (root) => rmSync(join(root, "b", "one.mkv")), ["b"]],
      ["a new film", (root) => void writeMedia(join(root, "b"), "new.mkv"), ["b"]],
      [
        "a cache that was put in its place",
        (root) => {
          writeFileSync(join(root, "a", "new"), "{}");
          renameSync(join(root, "a", "new"), join(root, "a", CACHE));
        },
        ["a"],
      ],
      [
        "a cache that was written in place, with its time set back",
        (root) => inPlace(join(root, "a", CACHE)),
        ["a"],
        [],
      ],
      [
        "a directory whose time was set back",
        (root) => {
          const { atimeMs, mtimeMs } = statSync(join(root, "a"));
          rmSync(join(root, "a", "one.mkv"));
          utimesSync(join(root, "a"), atimeMs / 1000, mtimeMs / 1000);
        },
        ["a"],
      ],
      ["a new directory", (root) => void makeMovies(makeDirectory(root, "new", "er"), ["x.mkv"]), [""]],
      ["a directory that was removed", (root) => rmSync(join(root, "b"), { recursive: true }), [""]],
      ["a directory that was renamed", (root) => renameSync(join(root, "b"), join(root, "z")), [""]],
      [
        "a directory that a copy of itself replaced",
        (root) => {
          execFileSync("cp", ["-a", join(root, "a"), join(root, "copy")]);
          rmSync(join(root, "a"), { recursive: true });
          renameSync(join(root, "copy"), join(root, "a"));
        },
        [""],
      ],
      [
        "a directory that went elsewhere and left a link",
        (root) => {
          const away = join(makePlace("away"), "b");
          renameSync(join(root, "b"), away);
          symlinkSync(away, join(root, "b"));
        },
        [""],
      ],
    ];
  for (const [what, change, changed, fast = changed] of cases) {
    it(`notices ${what}, and then finds what a first look finds`, async () => {
      const { root, context } = await makeKnown();
      change(root);
      assert.deepEqual(await changedIn(root, context), changed);
      assert.deepEqual(await changedIn(root, context, true), fast);
      const first = saidBy(await look(root, makeContext({ now: later })));
      assert.deepEqual(saidBy(await look(root, context)), first);
      assert.deepEqual(saidBy(await look(root, context)), first);
    });
  }

  it("leads to what a first look finds, over rounds of changes in odd libraries", async () => {
    const dice = makeDice(7);
    const [root, context] = [makeOddLibrary(dice), makeContext({ now: later })];
    let passedOver = 0;
    for (let round = 0; round < 8; round += 1) {
      const [again, first] = [saidBy(await look(root, context)), saidBy(await look(root, makeContext({ now: later })))];
      // One by one: what shows the difference of long lists takes long itself.
      for (const [index, item] of first.found.entries()) assert.deepEqual(again.found[index], item, `round ${round}`);
      assert.equal(again.found.length, first.found.length);
      assert.deepEqual([again.troubles, again.caches, again.entries], [first.troubles, first.caches, first.entries]);
      const { paths } = loadRemembered(context.state(), root);
      passedOver += paths.length - (await changedIn(root, context)).length;
      await aMoment();
      for (let change = 0; change < 6; change += 1) alterSomething(root, dice);
    }
    assert.ok(passedOver > 500, String(passedOver));
  });

  it("is nothing of what was written within the last seconds, or in the future", async () => {
    for (const now of [() => Date.now(), () => Date.now() - 3_600_000]) {
      const { root, context } = await makeKnown(now);
      assert.deepEqual(await changedIn(root, context), [""]);
    }
  });

  it("is forgotten after a week, and when the clock was set back by one", async () => {
    const { root, context } = await makeKnown();
    for (const days of [8, -8]) {
      const now = () => later() + days * 86_400_000;
      assert.deepEqual(await changedIn(root, { ...context, now }), [""]);
    }
  });

  it("is nothing of a directory in which anything was found, or had to be looked up", async () => {
    const { root, context } = await makeKnown();
    rmSync(join(root, "a", "one.mkv"));
    const away = writeMedia(makePlace("away"), "two.mkv");
    rmSync(join(root, "b", "two.mkv"));
    symlinkSync(away, join(root, "b", "two.mkv"));
    writeCache(
      join(root, "b"),
      ["one.mkv", "two.mkv"].map((name) => entryFor(join(root, "b", name))),
    );
    await aMoment();
    const { found } = await look(root, context);
    assert.deepEqual(
      found.map(({ finding }) => finding.name),
      ["one.mkv"],
    );
    assert.deepEqual(await changedIn(root, context), ["a", "b"]);
  });
});

/** One change somewhere below a root, of the kind that people and programs make. */
function alterSomething(root: string, dice: ReturnType<typeof makeDice>): void {
  const names = execFileSync("find", [root, "-mindepth", "1", "-type", "d", "-not", "-name", "*lock", "-print0"]);
  const directories = names.toString().split("\0").slice(0, -1).toSorted();
  const directory = dice.pick(directories);
  switch (dice.below(5)) {
    case 0:
      renameSync(directory, `${directory} ${dice.below(1_000_000)}`);
      break;
    case 1:
      rmSync(directory, { recursive: true });
      break;
    case 2:
      makeMovies(makeDirectory(directory, "made"), ["a.mkv", "b.mkv"]);
      break;
    default: {
      const place = makeDirectory(directory, `odd ${basename(directory)}`);
      makeMovies(place, ["a.mkv", "b.mkv"]);
      dice.pick(ODDITIES)(place, dice);
    }
  }
}

describe("a root", () => {
  it("is local on a disk of this host, and not when something else is mounted below it", async () => {
    const root = makePlace("local");
    writeMedia(root, "a.mkv");
    const inner = makeDirectory(root, "in ner");
    const passport = await passportOf(root);
    assert.equal(await areLocal([passport]), true);
    execFileSync("mount", ["-t", "proc", "proc", inner]);
    try {
      assert.equal(await areLocal([passport]), false);
    } finally {
      execFileSync("umount", ["-l", inner]);
    }
    assert.equal(await areLocal([{ ...passport, fileSystem: String(0x6969) }]), false);
  });
});

describe("an entry that is to move to another cache", () => {
  it("stays where that has it by now, which nobody compared when it was found to be in order", async () => {
    const root = makePlace("moving");
    const [from, to] = ["from", "to"].map((name) => join(root, name));
    const [media = ""] = makeMovies(makeDirectory(from ?? ""), ["one.mkv"]);
    makeMovies(makeDirectory(to ?? ""), ["other.mkv"]);
    renameSync(media, join(to ?? "", "one.mkv"));
    const context = makeContext();
    const { found } = await look(root, context);
    const [item] = found;
    assert.equal(item?.movedTo, join(to ?? "", CACHE));
    const change = { ...cleanupChange(item), id: 1 };
    const { actions } = await draftDirectory([change], []);
    assert.equal(actions.length, 2);
    writeCache(
      to ?? "",
      ["one.mkv", "other.mkv"].map((name) => entryFor(join(to ?? "", name))),
    );
    const { actions: none, skipped } = await draftDirectory([change], []);
    assert.deepEqual([none, skipped.map(({ rule }) => rule)], [[], ["new_home_cannot_take_it"]]);
  });
});
