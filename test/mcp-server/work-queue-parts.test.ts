import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { divideWork, invoke, type Context, type WorkPart } from "../../shared/index.ts";
import { cleanup } from "../../shared/operations/cleanup.ts";
import { scan } from "../../shared/operations/scan.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, entryFor, makeMovies, writeCache, writeMedia } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { failsWith } from "../support/runs.ts";

const contextOf = (root: string, config: Record<string, unknown> = {}) =>
  makeContext({ config: { libraries: [{ name: "media", roots: [root] }], ...config } });

const labels = ({ parts }: { readonly parts: readonly WorkPart[] }) => parts.map(({ label }) => label);

/** A cleanup of a part, as a host does it that shares the work. */
async function changesOf({ part, input }: WorkPart, context: Context) {
  const plan = await invoke(cleanup, { ...input, detail: "full" }, { ...context, part });
  return (plan.changes ?? []).map(({ does, cache, name, to, problem }) =>
    JSON.stringify({ does, cache, name, to, problem }),
  );
}

describe("work that hosts share", () => {
  it("is divided by the directories right below the roots, and the root itself where something lies in it", async () => {
    const root = makePlace("library");
    for (const name of ["films", "series", "Music"]) makeMovies(join(root, name), ["one.mkv"]);
    mkdirSync(join(root, "empty"));
    symlinkSync(join(root, "films"), join(root, "link"));
    const context = contextOf(root);
    const [films, series, music] = ["films", "series", "Music"].map((name) => join(root, name));
    assert.deepEqual(labels(await divideWork({ operation: "cleanup", input: {} }, context)), [
      root,
      music,
      films,
      series,
    ]);
    assert.deepEqual(labels(await divideWork({ operation: "scan", input: {} }, context)), [root, films, series]);
    assert.deepEqual(labels(await divideWork({ operation: "backup", input: {} }, context)), [""]);
    assert.deepEqual(labels(await divideWork({ operation: "cleanup", input: {} }, context, films)), [films]);
    assert.deepEqual(labels(await divideWork({ operation: "cleanup", input: {} }, context, "/etc")), []);
    assert.deepEqual(labels(await divideWork({ operation: "backup", input: {} }, context, films)), []);
  });

  it("leaves out a library that is not in order, and says so", async () => {
    const [one, two] = [makePlace("library"), makePlace("library")];
    makeMovies(join(one, "films"), ["one.mkv"]);
    const context = makeContext({ config: { libraries: [{ name: "media", roots: [one, two] }] } });
    const { parts, troubles } = await divideWork({ operation: "cleanup", input: {} }, context);
    assert.deepEqual(
      [labels({ parts }), troubles.map(({ path, code }) => [path, code])],
      [[join(one, "films")], [[two, "root_empty"]]],
    );
    await assert.rejects(
      divideWork({ operation: "cleanup", input: { paths: ["films"] } }, context),
      failsWith("invalid_input"),
    );
  });

  it("is in its parts just what it is as a whole: what is kept by its path, moved media, and all else", async () => {
    const root = makePlace("library");
    const at = (name: string) => join(root, name);
    makeMovies(root, ["top.mkv", "top gone.mkv"]);
    makeMovies(at("films/deep"), ["one.mkv", "gone.mkv", "moves.mkv"]);
    makeMovies(at("films/kept"), ["k1.mkv", "k2.mkv"]);
    makeMovies(at("series"), ["s1.mkv", "s2.mkv"]);
    for (const name of ["top gone.mkv", "films/deep/gone.mkv", "films/kept/k2.mkv", "series/s2.mkv"]) rmSync(at(name));
    renameSync(at("films/deep/moves.mkv"), at("series/moves.mkv"));
    const context = contextOf(root, { keep: ["films/kept/**"] });
    const whole = await changesOf({ label: "", territory: "", input: {}, part: undefined }, context);
    const { parts } = await divideWork({ operation: "cleanup", input: {} }, context);
    const divided: string[] = [];
    for (const part of parts) divided.push(...(await changesOf(part, context)));
    assert.deepEqual(divided.toSorted(), whole.toSorted());
    assert.equal(whole.length, 4);
    assert.ok(whole.some((change) => change.includes('"rehome"')));
    assert.ok(!divided.some((change) => change.includes("kept")));
  });

  it("keeps a cache that two parts share through a link", async () => {
    const root = makePlace("library");
    const films = [writeMedia(join(root, "films"), "one.mkv"), writeMedia(join(root, "series"), "two.mkv")];
    writeCache(
      join(root, "films"),
      films.map((path) => entryFor(path)),
    );
    symlinkSync(join(root, "films", CACHE), join(root, "series", CACHE));
    const context = contextOf(root);
    for (const part of (await divideWork({ operation: "cleanup", input: {} }, context)).parts)
      assert.deepEqual(await changesOf(part, context), []);
  });

  it("is scanned part by part, each file once", async () => {
    const root = makePlace("library");
    for (const name of ["top.mkv", "films/a.mkv", "films/deep/b.mkv", "series/c.mkv"]) {
      mkdirSync(join(root, name, ".."), { recursive: true });
      writeFileSync(join(root, name), "no media");
    }
    const context = contextOf(root);
    const counts: number[] = [];
    for (const { part, input } of (await divideWork({ operation: "scan", input: {} }, context)).parts) {
      const { media } = await invoke(scan, { ...input, preview: true }, { ...context, part });
      counts.push(media);
    }
    assert.deepEqual(counts, [1, 2, 1]);
  });
});
