import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  globSync,
  lstatSync,
  chmodSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

import * as fc from "fast-check";

import { invoke } from "../../shared/index.ts";
import { check } from "../../shared/operations/check.ts";
import { cleanup } from "../../shared/operations/cleanup.ts";
import { repair } from "../../shared/operations/repair.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, copyLibrary, entryFor, makeMovies, writeCache, writeMedia } from "../support/library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { applyById, undoById } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";

type Planning = "cleanup" | "repair";

const planOf = (operation: Planning, input: Record<string, unknown>, context = makeContext()) =>
  operation === "cleanup" ? invoke(cleanup, input, context) : invoke(repair, input, context);

const textIn = (directory: string) => readFileSync(join(directory, CACHE), "utf8");

const findingsIn = async (...roots: readonly string[]) =>
  (await invoke(check, { paths: [...roots] }, makeContext())).findings;

/**
 * Plans, applies, looks at the result, and undoes: the plan writes nothing, the report agrees with it, `then` sees
 * what was done, a check finds nothing afterwards, and the undo leaves the tree as it was to the last nanosecond.
 */
async function carryOut(
  operation: Planning,
  roots: readonly string[],
  input: Record<string, unknown>,
  then: (deeds: readonly string[]) => void,
): Promise<void> {
  const context = makeContext();
  const before = roots.map(treeState);
  const plan = await planOf(operation, { paths: [...roots], detail: "full", ...input }, context);
  assert.deepEqual([plan.status, plan.skipped, plan.errors], ["ready", [], []]);
  assert.deepEqual(roots.map(treeState), before);
  const report = await applyById(context, plan.plan);
  assert.deepEqual([report.status, report.refused], ["complete", []]);
  assert.deepEqual([report.entries, report.caches, report.reclaimedBytes], [plan.entries, plan.caches, plan.bytes]);
  then((plan.changes ?? []).map(({ does, name }) => `${does} ${name}`));
  assert.deepEqual(await findingsIn(...roots), []);
  assert.equal((await undoById(context, report.run)).status, "complete");
  assert.deepEqual(roots.map(treeState), before);
}

/** Plans what must come to nothing, and says by which rules. */
async function assertSkipped(operation: Planning, root: string, rules: readonly string[]): Promise<void> {
  const plan = await planOf(operation, { paths: [root] });
  assert.deepEqual([plan.status, plan.skipped.map(({ rule }) => rule)], ["empty", rules]);
}

/** What JSON.parse could not give back: to be found again byte for byte. */
const STRANGE = [
  ["huge", "1e400"],
  ["digits", "-9".padEnd(10_000, "81")],
  ["nan", "NaN"],
  ["twice", "1"],
  ["twice", "1.0"],
  ["escapes", '"\\u00e9\\/\\udce9 é 🎬"'],
  ["nested", '{ "a" :[ 1 ,2 ], "}": "{\\"" }'],
] as const;

describe("a cleanup", () => {
  for (const [style, between] of [
    ["Python's own layout", "\n  "],
    ["CRLF and tabs", "\r\n\t"],
    ["one line", " "],
    ["no white space", ""],
  ] as const) {
    it(`leaves the other entries byte for byte in a cache with ${style}`, async () => {
      const root = makePlace("edit");
      const names = ["a.mkv", "gone.mkv", "b.mkv", "gone too.mkv"];
      const [a = "", gone = "", b = "", goneToo = ""] = names.map((name) => entryFor(writeMedia(root, name), STRANGE));
      for (const name of names.filter((name) => name.startsWith("gone"))) rmSync(join(root, name));
      const written = (entries: readonly string[]) => `{${between}${entries.join(`,${between}`)}\r\n}\n`;
      for (const order of [
        [a, gone, b],
        [gone, a, a, b],
        [a, b, gone],
        [gone, goneToo, a, b],
        [gone, a, goneToo, gone, b, goneToo],
      ]) {
        writeFileSync(join(root, CACHE), written(order));
        await carryOut("cleanup", [root], {}, () =>
          assert.equal(textIn(root), written(order.filter((entry) => entry === a || entry === b))),
        );
      }
    });
  }

  it("cuts a key that occurs twice with all its occurrences, and leaves {} where nothing remains", async () => {
    const root = makePlace("edit");
    const entry = entryFor(writeMedia(root, "gone.mkv"));
    rmSync(join(root, "gone.mkv"));
    writeMedia(root, "stays.mkv");
    writeCache(root, [entry, entry, entry]);
    await carryOut("cleanup", [root], {}, () => assert.equal(textIn(root), "{}"));
  });

  it("cuts superseded entries and, when asked, changed ones", async () => {
    const root = makePlace("edit");
    const [first = "", second = ""] = [10, 25].map((time) => entryFor(writeMedia(root, "film.mkv", "v", time)));
    writeCache(root, [first, second]);
    await carryOut("cleanup", [root], {}, () => assert.equal(textIn(root), `{\n  ${second}\n}`));
    writeCache(root, [first, entryFor(writeMedia(root, "other.mkv"))]);
    await assertSkipped("cleanup", root, []);
    await carryOut("cleanup", [root], { changed: true }, (deeds) => assert.deepEqual(deeds, ["remove film.mkv"]));
  });

  it("edits a cache that is a link where it leads, and leaves the link", async () => {
    const root = makePlace("edit");
    const directory = makeDirectory(root, "a");
    makeMovies(directory, ["film.mkv", "gone.mkv"]);
    rmSync(join(directory, "gone.mkv"));
    renameSync(join(directory, CACHE), join(root, "shared.json"));
    symlinkSync("../shared.json", join(directory, CACHE));
    await carryOut("cleanup", [root], {}, () => {
      assert.ok(lstatSync(join(directory, CACHE)).isSymbolicLink());
      assert.equal(readFileSync(join(root, "shared.json"), "utf8"), `{\n  ${entryFor(join(directory, "film.mkv"))}\n}`);
    });
  });

  for (const which of ["library", "library-legacy"] as const) {
    it(`of the real ${which} cuts exactly the lines of deleted media`, async () => {
      const root = copyLibrary(which);
      const expected = new Map<string, string>();
      for (const cache of globSync(`**/${CACHE}`, { cwd: root })) {
        const directory = join(root, dirname(cache));
        const entries = textIn(directory)
          .slice(4, -2)
          .split(/,\n {2}(?=")/);
        const kept = entries.filter((_, index) => (cache.length + index) % 2 > 0);
        for (const entry of entries.filter((entry) => !kept.includes(entry))) {
          const { file_name } = JSON.parse(entry.slice(entry.indexOf(":") + 1)) as { file_name: string };
          if (file_name !== "Perfect (2001).mp4") rmSync(join(directory, file_name));
          else kept.push(entry);
        }
        expected.set(directory, kept.length === 0 ? "{}" : `{\n  ${kept.join(",\n  ")}\n}`);
      }
      await carryOut("cleanup", [root], { allow: ["stale_ratio"] }, (deeds) => {
        assert.ok(deeds.length > 10);
        for (const [directory, text] of expected) assert.equal(textIn(directory), text);
      });
    });
  }
});

/** Directories `a` and `b` with two films and a cache each. */
function makeTwo() {
  const root = makePlace("edit");
  const [a, b] = [makeDirectory(root, "a"), makeDirectory(root, "b")];
  makeMovies(a, ["a1.mkv", "a2.mkv"]);
  makeMovies(b, ["b1.mkv", "b2.mkv"]);
  const move = (name: string, from: string, to: string) => {
    renameSync(join(from, name), join(to, name));
    return entryFor(join(to, name));
  };
  return { root, a, b, move };
}

const pythonCache = (directory: string, names: readonly string[]) =>
  `{\n  ${names.map((name) => entryFor(join(directory, name))).join(",\n  ")}\n}`;

describe("an entry whose media moved", () => {
  it("moves to a new cache there, with the mode of the old one", async () => {
    const { root, a, move } = makeTwo();
    const home = makeDirectory(root, "home");
    chmodSync(join(a, CACHE), 0o640);
    move("a1.mkv", a, home);
    await carryOut("cleanup", [root], {}, (deeds) => {
      assert.deepEqual(deeds, ["rehome a1.mkv"]);
      assert.equal(textIn(a), pythonCache(a, ["a2.mkv"]));
      assert.equal(textIn(home), pythonCache(home, ["a1.mkv"]));
      assert.equal(statSync(join(home, CACHE)).mode & 0o777, 0o640);
    });
  });

  it("moves to the end of the cache there, byte for byte, also from one root to another", async () => {
    const { root, a, move } = makeTwo();
    const other = makePlace("other");
    makeMovies(other, ["o.mkv"]);
    const strange = entryFor(join(a, "a1.mkv"), STRANGE);
    writeCache(a, [entryFor(join(a, "a2.mkv")), strange]);
    move("a1.mkv", a, other);
    await carryOut("cleanup", [root, other], {}, () => {
      assert.equal(textIn(other), `{\n  ${entryFor(join(other, "o.mkv"))},\n  ${strange}\n}`);
      assert.equal(textIn(a), pythonCache(a, ["a2.mkv"]));
    });
  });

  it("is only cut when the cache there has it already", async () => {
    const { root, a, b, move } = makeTwo();
    move("a1.mkv", a, b);
    writeCache(
      b,
      ["b1.mkv", "b2.mkv", "a1.mkv"].map((name) => entryFor(join(b, name))),
    );
    await carryOut("cleanup", [root], {}, (deeds) => {
      assert.deepEqual(deeds, ["remove a1.mkv"]);
      assert.equal(textIn(a), pythonCache(a, ["a2.mkv"]));
      assert.equal(textIn(b), pythonCache(b, ["b1.mkv", "b2.mkv", "a1.mkv"]));
    });
  });

  it("and others that moved the other way, and on, all find their place", async () => {
    const { root, a, b, move } = makeTwo();
    const home = makeDirectory(root, "c");
    makeMovies(home, ["c1.mkv"]);
    move("a1.mkv", a, b);
    move("a2.mkv", a, home);
    move("b1.mkv", b, a);
    move("c1.mkv", home, a);
    await carryOut("cleanup", [root], {}, (deeds) => {
      assert.deepEqual(deeds, ["rehome a1.mkv", "rehome a2.mkv", "rehome b1.mkv", "rehome c1.mkv"]);
      assert.equal(textIn(a), pythonCache(a, ["b1.mkv", "c1.mkv"]));
      assert.equal(textIn(b), pythonCache(b, ["b2.mkv", "a1.mkv"]));
      assert.equal(textIn(home), pythonCache(home, ["a2.mkv"]));
    });
  });

  it("comes once where two caches knew the same file", async () => {
    const { root, a, b, move } = makeTwo();
    makeMovies(b, ["a1.mkv"]);
    rmSync(join(b, "a1.mkv"));
    const home = makeDirectory(root, "home");
    move("a1.mkv", a, home);
    await carryOut("cleanup", [root], {}, (deeds) => {
      assert.deepEqual(deeds, ["rehome a1.mkv", "rehome a1.mkv"]);
      assert.equal(textIn(home), pythonCache(home, ["a1.mkv"]));
      assert.deepEqual([textIn(a), textIn(b)], [pythonCache(a, ["a2.mkv"]), "{}"]);
    });
  });

  it("stays where it is while the cache there cannot take it, and the rest of the plan goes on", async () => {
    const { root, a, b, move } = makeTwo();
    const home = makeDirectory(root, "home");
    const cache = join(home, CACHE);
    move("a1.mkv", a, home);
    rmSync(join(b, "b1.mkv"));
    const outside = join(makePlace("outside"), "cache.json");
    writeFileSync(outside, "{}");
    const obstacles = [
      () => writeFileSync(cache, '{"cut'),
      () => writeFileSync(cache, "[1]"),
      () => execFileSync("mkfifo", [cache]),
      () => symlinkSync(outside, cache),
      () => writeFileSync(`${cache}.tmp`, pythonCache(home, ["a1.mkv"])),
    ];
    for (const obstruct of obstacles) {
      obstruct();
      const context = makeContext();
      const plan = await invoke(cleanup, { paths: [root], detail: "full" }, context);
      assert.deepEqual(
        [plan.changes?.map(({ name }) => name), plan.skipped.map(({ name, rule }) => [name, rule])],
        [["b1.mkv"], [["a1.mkv", "new_home_cannot_take_it"]]],
      );
      const report = await applyById(context, plan.plan);
      assert.equal(report.status, "complete");
      assert.equal(textIn(b), pythonCache(b, ["b2.mkv"]));
      assert.ok(textIn(a).includes('"a1.mkv"'));
      await undoById(context, report.run);
      for (const name of [cache, `${cache}.tmp`]) rmSync(name, { force: true });
    }
    assert.equal(readFileSync(outside, "utf8"), "{}");
  });
});

describe("a repair", () => {
  /** A directory whose cache holds five films, and their entries. */
  const makeFive = () => {
    const root = makePlace("edit");
    const names = ["1.mkv", "2.mkv", "3.mkv", "4.mkv", "5.mkv"];
    makeMovies(root, names);
    return { root, cache: join(root, CACHE), entries: names.map((name) => entryFor(join(root, name))) };
  };
  const cacheOf = (entries: readonly string[]) => `{\n  ${entries.join(",\n  ")}\n}`;

  it("saves every whole entry of a cache that was cut, hit or mixed with other bytes", async () => {
    const { root, cache, entries } = makeFive();
    const text = cacheOf(entries);
    const third = text.indexOf(entries[2] ?? "");
    for (const [damaged, kept] of [
      [Buffer.from(text.slice(0, -30)), entries.slice(0, 4)],
      [Buffer.from(`${text.slice(0, third + 100)}\0\0${text.slice(third + 102)}`), entries.toSpliced(2, 1)],
      [Buffer.from(`${text.slice(0, third + 100)}\xff${text.slice(third + 101)}`, "latin1"), entries.toSpliced(2, 1)],
      [Buffer.from(`${text}\n${text.slice(third)}`), [...entries, ...entries.slice(2)]],
      [Buffer.from(`[${text}]`), entries],
    ] as const) {
      writeFileSync(cache, damaged);
      await carryOut("repair", [root], {}, () => assert.equal(textIn(root), cacheOf(kept)));
    }
  });

  it("cuts a byte order mark and nothing else", async () => {
    const { root, cache, entries } = makeFive();
    const text = ` ${cacheOf(entries).replaceAll("\n", "\r\n")}\r\n`;
    writeFileSync(cache, `\ufeff${text}`);
    await carryOut("repair", [root], {}, () => assert.equal(textIn(root), text));
  });

  it("makes mediabox's temp file the cache again where the cache is gone, whole or as much as is left of it", async () => {
    const { root, cache, entries } = makeFive();
    rmSync(cache);
    for (const [left, expected] of [
      [`${cacheOf(entries)}\n`, `${cacheOf(entries)}\n`],
      [cacheOf(entries).slice(0, -30), cacheOf(entries.slice(0, 4))],
    ] as const) {
      writeFileSync(`${cache}.tmp`, left);
      utimesSync(`${cache}.tmp`, 1_700_000_000, 1_700_000_000);
      await carryOut("repair", [root], {}, (deeds) => {
        assert.deepEqual(deeds, ["recover null"]);
        assert.equal(textIn(root), expected);
        assert.ok(!existsSync(`${cache}.tmp`));
      });
    }
  });

  it("removes what holds no entry at all: of a cache, and of a temp file alone", async () => {
    const { root, cache } = makeFive();
    for (const text of ["[1]", '"x"', "", "{", '{"a": [', "not JSON"]) {
      writeFileSync(cache, text);
      await carryOut("repair", [root], {}, (deeds) => {
        assert.deepEqual(deeds, ["discard null"]);
        assert.ok(!existsSync(cache));
      });
    }
    rmSync(cache);
    writeFileSync(`${cache}.tmp`, "{");
    utimesSync(`${cache}.tmp`, 1_700_000_000, 1_700_000_000);
    await carryOut("repair", [root], {}, () => assert.ok(!existsSync(`${cache}.tmp`)));
  });

  it("mends a cache that is a link where it leads, and leaves one alone that holds nothing", async () => {
    const { root, cache, entries } = makeFive();
    const target = join(makeDirectory(root, "store"), "shared.json");
    rmSync(cache);
    symlinkSync("store/shared.json", cache);
    writeFileSync(target, cacheOf(entries).slice(0, -30));
    await carryOut("repair", [root], {}, () => {
      assert.ok(lstatSync(cache).isSymbolicLink());
      assert.equal(readFileSync(target, "utf8"), cacheOf(entries.slice(0, 4)));
    });
    writeFileSync(target, "[1]");
    await assertSkipped("repair", root, ["cache_is_a_link"]);
    assert.equal(readFileSync(target, "utf8"), "[1]");
  });

  it("leaves a cache alone that cannot be read, and says so", async () => {
    const { root, cache } = makeFive();
    rmSync(cache);
    execFileSync("mkfifo", [cache]);
    await assertSkipped("repair", root, ["cannot_be_read"]);
    assert.ok(lstatSync(cache).isFIFO());
  });

  it("cuts members that are no entries, and leaves the others byte for byte", async () => {
    const { root, cache, entries } = makeFive();
    const bad = ['"version": 2', '"k": null', `"${"a".repeat(64)}": []`, `"${"b".repeat(64)}": {"file_name": ".."}`];
    writeFileSync(cache, cacheOf([...bad.slice(0, 2), ...entries, ...bad.slice(2)]));
    await carryOut("repair", [root], {}, () => assert.equal(textIn(root), cacheOf(entries)));
  });

  it("corrects the name of an entry whose fingerprint is another file's here", async () => {
    const { root, cache, entries } = makeFive();
    const [first = "", second = "", third = "", ...rest] = entries;
    const nameless = third.replace('"file_name": "3.mkv",\n    ', "");
    const drifted = first.replace('"1.mkv"', '"\\u00e9 old.mkv"');
    writeFileSync(cache, cacheOf([drifted, second.replace('"2.mkv"', "null"), nameless, ...rest]));
    await carryOut("repair", [root], {}, (deeds) => {
      assert.deepEqual(deeds, ["rename é old.mkv", "rename null", "rename null"]);
      const named = nameless.replace(/\n {2}\}$/, ',\n    "file_name": "3.mkv"\n  }');
      assert.equal(textIn(root), cacheOf([first, second, named, ...rest]));
    });
  });

  it("brings older entries up to date only when asked, and drops nothing but the fields only they have", async () => {
    const root = copyLibrary("library-legacy");
    await assertSkipped("repair", root, []);
    const caches = globSync(`**/${CACHE}`, { cwd: root }).map((cache) => join(root, dirname(cache)));
    const expected = caches.map((directory) => textIn(directory).replaceAll(/ {4}"(?:file_path|action)": .*\n/g, ""));
    await carryOut("repair", [root], { migrate: true }, (deeds) => {
      assert.equal(deeds.length, 42);
      assert.deepEqual(caches.map(textIn), expected);
    });
  });

  it("keeps the name of an older entry that has it only in its path, and corrects and migrates in one go", async () => {
    const { root, cache, entries } = makeFive();
    const legacy = (entry: string, path: string) =>
      entry.replace(/"file_name": "..mkv"/, `"file_path": "/mnt/${path}",\n    "action": "skip"`);
    const named = (entry: string, name: string) =>
      entry.replace(/"file_name": "..mkv",\n {4}/, "").replace(/\n {2}\}$/, `,\n    "file_name": "${name}"\n  }`);
    const [first = "", second = "", third = "", fourth = "", fifth = ""] = entries;
    const unnamed = legacy(third, "z/3.mkv").replace('"action"', '"file_name": null,\n    "action"');
    const twice = fourth.replace(
      '"4.mkv"',
      '"4.mkv", "action": 1, "file_path": "/a", "action": 2, "file_path": "/b/4.mkv"',
    );
    writeFileSync(cache, cacheOf([legacy(first, "x/1.mkv"), legacy(second, "y/old.mkv"), unnamed, twice, fifth]));
    await carryOut("repair", [root], { migrate: true }, () =>
      assert.equal(textIn(root), cacheOf([named(first, "1.mkv"), named(second, "2.mkv"), third, fourth, fifth])),
    );
  });

  it("leaves nothing damaged, whatever was done to the bytes, and is undone step by step", async () => {
    const { root, cache } = makeFive();
    const good = readFileSync(cache);
    const parts = [
      '"',
      "{",
      "}",
      "null",
      "\0",
      "[",
      ",",
      ":",
      "\\",
      '"file_name": 7',
      "\xff",
      "1e999",
      '"file_name": "',
      "../",
    ];
    const hit = fc.tuple(fc.nat(good.length), fc.nat(90), fc.constantFrom(...parts));
    const context = makeContext();
    const property = fc.asyncProperty(fc.array(hit, { minLength: 1, maxLength: 4 }), async (hits) => {
      let bytes = good;
      for (const [at, length, text] of hits)
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(text, "latin1"), bytes.subarray(at + length)]);
      writeFileSync(cache, bytes);
      const before = treeState(root);
      const runs: string[] = [];
      // Once for the file, once for the entries in it.
      for (let plan = await planOf("repair", { paths: [root] }, context); plan.status === "ready" && runs.length < 3;) {
        const report = await applyById(context, plan.plan);
        assert.deepEqual([report.status, report.reclaimedBytes], ["complete", plan.bytes]);
        runs.unshift(report.run);
        plan = await planOf("repair", { paths: [root] }, context);
      }
      assert.ok(runs.length <= 2);
      const problems = (await findingsIn(root)).map(({ problem }) => problem);
      assert.ok(!problems.includes("corrupt") && !problems.includes("drifted"), problems.join());
      for (const run of runs) assert.equal((await undoById(context, run)).status, "complete");
      assert.deepEqual(treeState(root), before);
    });
    await fc.assert(property, { numRuns: 40 });
  });
});
