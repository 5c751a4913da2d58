import { deepEqual, equal, ok } from "node:assert/strict";
import { mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

import { inspectCache } from "../../shared/caches/directory/inspect.ts";
import { survey, surveyAgain, type Survey } from "../../shared/survey.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, copyLibrary, makeMovies, writeCache, writeMedia, entryFor } from "../support/library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";

const problemsIn = ({ scan }: Survey) =>
  scan.found.map(({ finding }) => `${finding.problem} ${finding.reason.rule} ${finding.name}`).toSorted();

describe("a survey", () => {
  it("looks at the libraries in order and says what is wrong with the others", async () => {
    const [good, empty] = [makePlace(), makePlace()];
    makeMovies(join(good, "films"), ["a.mkv"]);
    const missing = join(good, "..", "no-such-directory");
    const libraries = [
      { name: "good", roots: [good] },
      { name: "empty", roots: [empty] },
      { name: "missing", roots: [missing] },
    ];
    const { roots, scan } = await survey(makeContext({ config: { libraries } }));
    deepEqual(
      roots.map(({ library, state }) => [library, state]),
      [
        ["good", "healthy"],
        ["empty", "empty"],
        ["missing", "missing"],
      ],
    );
    equal(scan.caches.length, 1);
  });

  it("looks at single directories again and leaves what is known of the others", async () => {
    const root = makePlace();
    const [first] = makeMovies(join(root, "one"), ["a.mkv", "b.mkv"]);
    const [second] = makeMovies(join(root, "two"), ["c.mkv", "d.mkv"]);
    const context = makeContext({ config: { libraries: [{ name: "films", roots: [root] }] } });
    const before = await survey(context);
    equal(before.scan.found.length, 0);
    rmSync(first ?? "");
    rmSync(second ?? "");
    const after = await surveyAgain(before, [join(root, "one")], context);
    deepEqual(problemsIn(after), ["orphaned media_gone a.mkv"]);
    equal(after.scan.caches.length, 2);
    deepEqual(problemsIn(await survey(context)).length, 2);
  });

  it("keeps what a whole look found out about media that moved", async () => {
    const root = makePlace();
    const [media] = makeMovies(join(root, "one"), ["a.mkv", "b.mkv"]);
    makeMovies(join(root, "two"), ["c.mkv"]);
    renameSync(media ?? "", join(root, "two", "a.mkv"));
    const context = makeContext({ config: { libraries: [{ name: "films", roots: [root] }] } });
    const before = await survey(context);
    deepEqual(problemsIn(before), ["orphaned media_moved a.mkv"]);
    deepEqual(problemsIn(await surveyAgain(before, [join(root, "one")], context)), problemsIn(before));
  });

  it("keeps what was seen last of a library that went away", async () => {
    const root = makePlace();
    makeMovies(join(root, "library", "one"), ["a.mkv"]);
    const context = makeContext({ config: { libraries: [{ name: "films", roots: [join(root, "library")] }] } });
    const before = await survey(context);
    renameSync(join(root, "library"), join(root, "elsewhere"));
    mkdirSync(join(root, "library"));
    const after = await surveyAgain(before, [join(root, "library", "one")], context);
    equal(after.roots[0]?.state, "empty");
    deepEqual(problemsIn(after), []);
    equal(after.scan.caches.length, 1);
  });
});

describe("looking into a cache file", () => {
  it("finds every entry of every real cache where it stands in the text", async () => {
    const library = copyLibrary();
    const { scan } = await survey(makeContext({ config: { libraries: [{ name: "films", roots: [library] }] } }));
    let entries = 0;
    for (const { cache } of scan.caches) {
      const context = makeContext();
      const text = readFileSync(cache, "utf8");
      const { entries: inspected, damage } = await inspectCache(cache, undefined, context);
      equal(damage, null);
      for (const { key, start, end, problem, fields } of inspected) {
        ok(text.startsWith(`"${key}": {`, start), cache);
        equal(text[end - 1], "}");
        equal(problem, null);
        equal(fields["fingerprint_hash"], key);
      }
      entries += inspected.length;
    }
    equal(entries, 43);
  });

  it("judges a text that is not saved, and counts characters beyond ASCII as the editor does", async () => {
    const root = makeDirectory(makePlace(), "films");
    const media = ["😀 ü.mkv", "gone.mkv"].map((name) => writeMedia(root, name));
    const cache = writeCache(
      root,
      media.map((path) => entryFor(path, [["title", '"日本 🎬"']])),
    );
    rmSync(media[1] ?? "");
    const text = readFileSync(cache, "utf8").replaceAll(/\\u([0-9a-f]{4})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    const { entries } = await inspectCache(join(root, CACHE), text, makeContext());
    deepEqual(
      entries.map(({ name, problem }) => [name, problem]),
      [
        ["😀 ü.mkv", null],
        ["gone.mkv", "orphaned"],
      ],
    );
    for (const { key, start, end } of entries) {
      ok(text.startsWith(`"${key}"`, start));
      equal(text.slice(start, end).at(-1), "}");
    }
    const damaged = await inspectCache(cache, text.slice(0, -3), makeContext());
    equal(damaged.damage?.rule, "invalid_json");
  });
});
