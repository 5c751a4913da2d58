import assert from "node:assert/strict";
import { renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

import { resolveRoots } from "../../shared/library.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, entryFor, makeMovies, writeCache, writeMedia } from "../support/library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { applyById, failsWith, makeStaleLibrary, planCleanup } from "../support/runs.ts";

const DAY = 86_400_000;
const NOW = Date.parse("2026-06-15T12:00:00");

/** A time as mediabox writes it: local, without a zone. */
function naive(time: number): string {
  const date = new Date(time);
  const local = new Date(time - date.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 23);
}

/** An entry for media that is deleted right away, last scanned so many days before now; `null`: it does not say. */
function goneEntry(directory: string, name: string, days: number | null): string {
  const path = writeMedia(directory, name);
  const entry = entryFor(path);
  rmSync(path);
  const time = days === null ? '"long ago"' : JSON.stringify(naive(NOW - days * DAY));
  return entry.replace(/"last_scanned": "[^"]*"/, `"last_scanned": ${time}`);
}

/** A library whose entries, named by their age in days, lost their media; enough others are in order. */
function makeAges(...days: readonly (number | null)[]): string {
  const root = makePlace("ages");
  const living = ["1", "2", "3", "4", "5", "6"].map((name) => entryFor(writeMedia(root, `living ${name}.mkv`)));
  writeCache(root, [...living, ...days.map((age) => goneEntry(root, `${age}.mkv`, age))]);
  return root;
}

const context = makeContext({ now: () => NOW });
const plan = (root: string, input: Record<string, unknown>) =>
  planCleanup(context, [root], { allow: ["clock_skew", "stale_ratio"], ...input });
const namesOf = (made: Awaited<ReturnType<typeof plan>>) =>
  (made.changes ?? []).map(({ name }) => String(name)).toSorted();
const rulesOf = (made: Awaited<ReturnType<typeof plan>>) =>
  made.skipped.map(({ name, rule }) => `${name}: ${rule}`).toSorted();

describe("olderThan", () => {
  it("takes entries written longer ago, with a day in their favour, because their times have no zone", async () => {
    const made = await plan(makeAges(29, 30.5, 31.1, 400), { olderThan: "30d" });
    assert.deepEqual(namesOf(made), ["31.1.mkv", "400.mkv"]);
    assert.deepEqual(rulesOf(made), ["29.mkv: not_old_enough", "30.5.mkv: not_old_enough"]);
    assert.deepEqual(
      made.skipped.map(({ observed, threshold }) => [observed, threshold]),
      [
        ["29d", "30d"],
        ["30d", "30d"],
      ],
    );
  });

  it("leaves entries alone whose age is not known", async () => {
    const made = await plan(makeAges(null, 400), { olderThan: "1d" });
    assert.deepEqual(namesOf(made), ["400.mkv"]);
    assert.deepEqual(rulesOf(made), ["null.mkv: age_unknown"]);
  });

  it("counts from when an entry was last processed, if that is later", async () => {
    const root = makePlace("processed");
    const entry = goneEntry(root, "one.mkv", 400);
    const processed = JSON.stringify(naive(NOW - 5 * DAY));
    writeCache(root, [entry.replace(/"codec_video"/, `"last_processed": ${processed},\n    "codec_video"`)]);
    writeMedia(root, "living.mkv");
    assert.deepEqual(rulesOf(await plan(root, { olderThan: "30d" })), ["one.mkv: not_old_enough"]);
  });

  it("does not take entries from the future for old", async () => {
    assert.deepEqual(rulesOf(await plan(makeAges(-3), { olderThan: "1h" })), ["-3.mkv: not_old_enough"]);
  });

  for (const text of ["30", "30 d", "-1d", "1y", "1.5h", "", "9999999d", "1d\n"]) {
    it(`refuses ${JSON.stringify(text)} and names the rule`, async () => {
      await assert.rejects(plan(makeAges(1), { olderThan: text }), failsWith("invalid_input", /\/olderThan.*pattern/));
    });
  }
});

describe("expired", () => {
  it("entries in order are taken only when they are asked for with an age", async () => {
    const root = makePlace("expired");
    const old = entryFor(writeMedia(root, "old.mkv"));
    const young = entryFor(writeMedia(root, "young.mkv"));
    writeCache(root, [
      old.replace(/"last_scanned": "[^"]*"/, `"last_scanned": ${JSON.stringify(naive(NOW - 90 * DAY))}`),
      young.replace(/"last_scanned": "[^"]*"/, `"last_scanned": ${JSON.stringify(naive(NOW - 3 * DAY))}`),
    ]);
    assert.equal((await plan(root, {})).status, "empty");
    assert.equal((await plan(root, { olderThan: "30d" })).status, "empty");
    assert.equal((await plan(root, { problem: ["expired"] })).status, "empty");
    const made = await plan(root, { problem: ["expired"], olderThan: "30d" });
    assert.deepEqual([namesOf(made), made.byProblem], [["old.mkv"], { expired: 1 }]);
    assert.equal(made.changes?.[0]?.reason.rule, "older_than");
  });
});

describe("the problem filter", () => {
  /** One orphaned, one superseded and one changed entry, and a leftover. */
  function makeProblems(): string {
    const root = makePlace("problems");
    const paths = makeMovies(root, ["gone.mkv", "new.mkv", "other.mkv", "living.mkv"]);
    const [gone = "", renewed = "", other = ""] = paths;
    const old = paths.map((path) => entryFor(path));
    rmSync(gone);
    writeFileSync(renewed, "new version");
    writeFileSync(other, "changed");
    writeCache(root, [...old, entryFor(renewed)]);
    return root;
  }

  const cases: readonly (readonly [input: Record<string, unknown>, names: readonly string[]])[] = [
    [{}, ["gone.mkv", "new.mkv"]],
    [{ problem: ["orphaned"] }, ["gone.mkv"]],
    [{ problem: ["superseded"] }, ["new.mkv"]],
    [{ problem: ["changed"] }, ["other.mkv"]],
    [{ changed: true }, ["gone.mkv", "new.mkv", "other.mkv"]],
    [{ problem: ["orphaned"], changed: true }, ["gone.mkv", "other.mkv"]],
    [{ problem: ["changed"], changed: true }, ["other.mkv"]],
    [{ problem: ["leftover"] }, []],
  ];
  for (const [input, names] of cases) {
    it(`${JSON.stringify(input)} takes ${names.join(", ") || "nothing"} and keeps the rest`, async () => {
      const made = await plan(makeProblems(), input);
      assert.deepEqual(namesOf(made), names);
      const kept = Object.values(made.kept).reduce((sum, number) => sum + number, 0);
      assert.equal(kept, 3 - names.length);
    });
  }

  it("refuses problems that a cleanup never removes, and names those it may", async () => {
    const pattern =
      /\/problem\/0: must be one of "orphaned", "superseded", "expired", "leftover", "changed", not "corrupt"/;
    await assert.rejects(plan(makeProblems(), { problem: ["corrupt"] }), failsWith("invalid_input", pattern));
  });
});

describe("patterns", () => {
  const names = ["a one.mkv", "b [x] {y} (z)!.mkv", ".hidden.mkv", "c\nd.mkv", "Ünï 日本.mkv"];

  function makeNames(): string {
    const root = makePlace("names");
    for (const directory of ["tv/Show", "movies"]) {
      const entries = names.map((name) => goneEntry(join(root, directory), `${directory.slice(0, 2)} ${name}`, 9));
      writeCache(join(root, directory), entries);
    }
    return root;
  }
  const all = names.flatMap((name) => [`mo ${name}`, `tv ${name}`]);
  const has = (part: string) => all.filter((name) => name.includes(part)).toSorted();
  const of = (start: string) => all.filter((name) => name.startsWith(start)).toSorted();

  const cases: readonly (readonly [input: Record<string, readonly string[]>, taken: readonly string[]])[] = [
    [{ include: ["*one.mkv"] }, has("one")],
    [{ include: ["tv/**"] }, of("tv")],
    [{ include: ["tv/*"] }, []],
    [{ include: ["tv/*/*.mkv"] }, of("tv")],
    [{ include: ["**/*.mkv"] }, all.toSorted()],
    [{ include: ["*.{mkv,mp4}"] }, all.toSorted()],
    [{ include: ["*.MKV"] }, []],
    [{ include: ["*\\[x\\]*"] }, has("[x]")],
    [{ include: ["movies/mo b \\[x\\] \\{y\\} \\(z\\)\\!.mkv"] }, ["mo b [x] {y} (z)!.mkv"]],
    [{ include: ["*日本*", "*hidden*"] }, [...has("日本"), ...has("hidden")].toSorted()],
    [{ exclude: ["movies/**"] }, of("tv")],
    [{ include: ["**/*one*", "*日本*"], exclude: ["tv/**"] }, ["mo a one.mkv", "mo Ünï 日本.mkv"].toSorted()],
    [{ include: ["/tv/**"] }, []],
    [{ include: ["../**"] }, []],
  ];
  for (const [input, taken] of cases) {
    it(`${JSON.stringify(input)} takes ${taken.length} of ${all.length}, and says why not the rest`, async () => {
      const made = await plan(makeNames(), input);
      assert.deepEqual(namesOf(made), taken);
      assert.equal(made.skipped.length, all.length - taken.length);
      for (const { rule } of made.skipped) assert.match(rule, /^(not_included|excluded)$/);
    });
  }

  it("reach names with a line break", async () => {
    const made = await plan(makeNames(), { include: ["tv/**"], exclude: ["*c*d.mkv"] });
    assert.deepEqual(
      rulesOf(made).filter((line) => line.endsWith(": excluded")),
      ["tv c\nd.mkv: excluded"],
    );
  });

  it("are matched against leftovers by their own name", async () => {
    const root = makeStaleLibrary("a");
    const temp = join(root, "a", `${CACHE}.tmp`);
    writeFileSync(temp, "{");
    utimesSync(temp, 1_700_000_000, 1_700_000_000);
    const made = await planCleanup(makeContext(), [root], { include: ["*.tmp"] });
    assert.deepEqual([namesOf(made), made.byProblem], [[`${CACHE}.tmp`], { leftover: 1 }]);
  });

  it("of the configuration keep entries from every plan, and the plan says so", async () => {
    const keeping = makeContext({ config: { keep: ["tv/**", "*hidden*"] }, now: () => NOW });
    const made = await planCleanup(keeping, [makeNames()], { allow: ["clock_skew", "stale_ratio"] });
    assert.deepEqual(
      namesOf(made),
      of("mo").filter((name) => !name.includes("hidden")),
    );
    assert.deepEqual([...new Set(made.skipped.map(({ rule }) => rule))], ["kept_by_configuration"]);
    assert.deepEqual(made.kept, { orphaned: 6 });
  });
});

describe("maxEntries", () => {
  it("takes the entries written longest ago, those of unknown age last, and says what was over", async () => {
    const made = await plan(makeAges(5, null, 300, 20, 100), { maxEntries: 2 });
    assert.deepEqual(namesOf(made), ["100.mkv", "300.mkv"]);
    assert.deepEqual(rulesOf(made), [
      "20.mkv: over_max_entries",
      "5.mkv: over_max_entries",
      "null.mkv: over_max_entries",
    ]);
    assert.deepEqual(
      made.skipped.map(({ observed, threshold }) => [observed, threshold]),
      [
        [5, 2],
        [5, 2],
        [5, 2],
      ],
    );
    assert.deepEqual(namesOf(await plan(makeAges(5, null, 300), { maxEntries: 2 })), ["300.mkv", "5.mkv"]);
  });

  it("applied again and again ends with nothing stale", async () => {
    const root = makeAges(1, 2, 3, 4, 5);
    const sizes: number[] = [];
    for (
      let made = await plan(root, { maxEntries: 2 });
      made.status === "ready";
      made = await plan(root, { maxEntries: 2 })
    )
      sizes.push((await applyById(context, made.plan)).entries);
    assert.deepEqual(sizes, [2, 2, 1]);
  });

  it("refuses 0 and fractions", async () => {
    await assert.rejects(plan(makeAges(1), { maxEntries: 0 }), failsWith("invalid_input", /\/maxEntries.*minimum.*0/));
    await assert.rejects(plan(makeAges(1), { maxEntries: 1.5 }), failsWith("invalid_input", /\/maxEntries.*integer/));
  });
});

describe("roots", () => {
  function resolve(words: readonly string[], libraries: readonly { name: string; roots: readonly string[] }[] = []) {
    return resolveRoots(words, makeContext({ config: { libraries } }));
  }

  it("are those of libraries by name, in the order given, and of all when none is named", async () => {
    const root = makePlace("roots");
    const libraries = [
      { name: "films", roots: [join(root, "films"), join(root, "more")] },
      { name: "series", roots: [join(root, "series")] },
    ];
    const short = (roots: readonly string[]) => roots.map((path) => relative(root, path));
    assert.deepEqual(short(await resolve(["series"], libraries)), ["series"]);
    assert.deepEqual(short(await resolve(["series", "films"], libraries)), ["series", "films", "more"]);
    assert.deepEqual(short(await resolve([], libraries)), ["films", "more", "series"]);
    assert.deepEqual(short(await resolve(["films", join(root, "other")], libraries)), ["films", "more", "other"]);
  });

  it("may be patterns of directories; files and links do not match, and what does not exist stays to be reported", async () => {
    const root = makePlace("roots");
    for (const name of ["disk1/media", "disk2/media", "disk3/other"]) makeDirectory(root, name);
    writeFileSync(join(root, "disk3", "media"), "");
    const libraries = [{ name: "all", roots: [join(root, "disk*", "media"), join(root, "no*", "media")] }];
    assert.deepEqual(await resolve(["all"], libraries), [
      join(root, "disk1", "media"),
      join(root, "disk2", "media"),
      join(root, "no*", "media"),
    ]);
  });

  it("that exist as they are written are never read as patterns", async () => {
    const root = makePlace("roots");
    const odd = makeDirectory(root, "films [4k]");
    makeDirectory(root, "films 4");
    assert.deepEqual(await resolve(["odd"], [{ name: "odd", roots: [odd] }]), [odd]);
  });

  it("inside other roots, or given twice, are counted once", async () => {
    const root = makeStaleLibrary("a", "ab");
    const [inner, beside] = [join(root, "a"), join(root, "ab")];
    assert.deepEqual(await resolve([inner, root, `${root}/`, join(root, "a", "..")]), [root]);
    assert.deepEqual(await resolve([inner, beside]), [inner, beside]);
    const made = await planCleanup(makeContext(), [root, inner, root, beside]);
    assert.deepEqual([made.entries, made.caches], [2, 2]);
  });

  it("that are relative or unknown are refused, and the libraries that are known are named", async () => {
    const libraries = [{ name: "films", roots: ["/films"] }];
    await assert.rejects(resolve(["./films"], libraries), failsWith("invalid_input", /"\.\/films" is neither/));
    await assert.rejects(resolve(["film"], libraries), (error: unknown) => {
      assert.equal((error as { hint?: string }).hint, "Libraries: films.");
      return failsWith("invalid_input")(error);
    });
    await assert.rejects(
      resolve(["a"], [{ name: "a", roots: ["films"] }]),
      failsWith("invalid_input", /"films" is not/),
    );
  });

  it("must be given or configured", async () => {
    await assert.rejects(resolve([]), failsWith("invalid_input", /no library was given/));
  });

  it("with the same media in two of them keep the data of media that moved from one to the other", async () => {
    const [one, two] = [makeStaleLibrary("a"), makePlace("two")];
    renameSync(join(one, "a", "a one.mkv"), join(two, "a one.mkv"));
    const made = await planCleanup(makeContext(), [one, two]);
    assert.deepEqual(
      made.changes?.map(({ name, does }) => `${does} ${name}`),
      ["rehome a one.mkv", "remove gone.mkv"],
    );
  });
});
