import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

import { fingerprint } from "../../shared/caches/directory/fingerprint.ts";
import { invoke, type Context } from "../../shared/index.ts";
import { check } from "../../shared/operations/check.ts";
import { record } from "../../shared/operations/record.ts";
import { stats } from "../../shared/operations/stats.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, copyLibrary, entryFor, makeMovies, writeCache, writeMedia } from "../support/library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { failsWith, undoById } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";

type Entry = Readonly<Record<string, unknown>>;

const read = (directory: string) => JSON.parse(readFileSync(join(directory, CACHE), "utf8")) as Record<string, Entry>;

function keyOf(path: string): string {
  const { size, mtimeNs } = statSync(path, { bigint: true });
  return fingerprint(basename(path), size, mtimeNs);
}

/** Records a conversion, and checks that it went through and that its undo puts everything back. */
async function recorded(root: string, input: Record<string, unknown>, context: Context = makeContext()) {
  const before = treeState(root);
  const report = await invoke(record, input, context);
  assert.deepEqual([report.status, report.refused], ["complete", []]);
  assert.equal(report.reclaimedBytes, report.predicted.bytes);
  const after = treeState(root);
  const undone = await undoById(context, report.run);
  assert.equal(undone.status, "complete");
  assert.deepEqual(treeState(root), before);
  // And the undo undone again, for the caller to look at.
  assert.equal((await undoById(context, undone.run)).status, "complete");
  const contents = (lines: readonly string[]) => lines.map((line) => [line.split(" ")[0], line.split(" ").at(-1)]);
  assert.deepEqual(contents(treeState(root)), contents(after));
  return report;
}

const isClean = async (root: string) =>
  assert.deepEqual((await invoke(check, { paths: [root] }, makeContext())).findings, []);

/** A film with probe data as HEVC, HDR and surround, and the film beside it. */
function makeFilms() {
  const directory = makeDirectory(makePlace("record"), "Films");
  const probe = [
    ["codec_audio", '"eac3"'],
    ["is_hdr", "true"],
    ["hdr_type", '"HDR10"'],
    ["bit_depth", "10"],
    ["conversion_count", "1"],
  ] as const;
  const film = writeMedia(directory, "film.mkv");
  const other = writeMedia(directory, "other.mkv");
  const texts = [entryFor(film, probe), entryFor(other, probe)];
  writeCache(directory, texts);
  return { directory, film, other, texts };
}

const NOT_PROBED = {
  codec_video: null,
  codec_audio: null,
  resolution: null,
  is_hdr: false,
  hdr_type: null,
  bit_depth: 8,
  has_stereo_track: false,
  has_surround_track: false,
};

describe("record", () => {
  it("of a conversion in place puts a new entry in the place of the old one (scenario A)", async () => {
    const { directory, film, other, texts } = makeFilms();
    const [oldKey, otherKey] = [keyOf(film), keyOf(other)];
    writeMedia(directory, "film.mkv", "converted", 1_710_000_000.25);
    await recorded(directory, { media: film, durationSeconds: 12.5 });
    const entries = read(directory);
    assert.deepEqual(Object.keys(entries), [otherKey, keyOf(film)]);
    assert.ok(!(oldKey in entries));
    const entry = entries[keyOf(film)];
    assert.deepEqual(
      [entry?.["file_name"], entry?.["file_size"], entry?.["file_mtime"], entry?.["fingerprint_hash"]],
      ["film.mkv", 9, 1_710_000_000.25, keyOf(film)],
    );
    assert.deepEqual([entry?.["conversion_count"], entry?.["last_conversion_duration"]], [2, 12.5]);
    assert.ok(readFileSync(join(directory, CACHE), "utf8").includes(texts[1] ?? "no text"));
    await isClean(directory);
  });

  it("of a new file cuts the old entry once its media is gone (scenario B)", async () => {
    const { directory, film, other } = makeFilms();
    const converted = writeMedia(directory, "film.mp4", "converted", 1_710_000_000);
    rmSync(film);
    await recorded(directory, { media: film, converted });
    assert.deepEqual(Object.keys(read(directory)), [keyOf(other), keyOf(converted)]);
    await isClean(directory);
  });

  it("of a new file keeps the old entry as long as its media is there", async () => {
    const { directory, film, other } = makeFilms();
    const converted = writeMedia(directory, "film.mp4", "converted", 1_710_000_000);
    await recorded(directory, { media: film, converted });
    assert.deepEqual(Object.keys(read(directory)), [keyOf(film), keyOf(other), keyOf(converted)]);
    await isClean(directory);
  });

  it("of a failure notes the error in the entry and touches nothing else (scenario C)", async () => {
    const { directory, film, texts } = makeFilms();
    await recorded(directory, { media: film, failed: 'ffmpeg: "é" \u{1f3ac}\nexit 1' });
    const entry = read(directory)[keyOf(film)];
    assert.equal(entry?.["processing_error"], 'ffmpeg: "é" \u{1f3ac}\nexit 1');
    assert.match(String(entry?.["last_processed"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?$/);
    const text = readFileSync(join(directory, CACHE), "utf8");
    assert.match(text, /^[ -~\n]*$/);
    assert.ok(text.startsWith(`{\n  ${texts[0]?.slice(0, -4)},\n    "last_processed": "`), text);
    assert.ok(text.endsWith(`,\n  ${texts[1]}\n}`), text);
    await recorded(directory, { media: film, failed: "again" });
    const again = readFileSync(join(directory, CACHE), "utf8");
    assert.deepEqual(again.match(/"processing_error": .*/g), ['"processing_error": "again"']);
    assert.equal(again.match(/"last_processed"/g)?.length, 1);
  });

  it("gives the new entry none of the old probe data, so that the file is not converted for ever", async () => {
    const { directory, film } = makeFilms();
    const converted = writeMedia(directory, "film.mp4", "converted", 1_710_000_000);
    rmSync(film);
    await recorded(directory, { media: film, converted });
    const entry = read(directory)[keyOf(converted)] ?? {};
    assert.equal(Object.keys(entry).length, 28);
    assert.deepEqual(Object.fromEntries(Object.keys(NOT_PROBED).map((name) => [name, entry[name]])), NOT_PROBED);
    const figures = await invoke(stats, { paths: [directory] }, makeContext());
    assert.equal(figures.inheritedProbe, 0);
    assert.equal(figures.hdrFiles, 1);
  });

  it("writes the fields mediabox writes, in its order, and nothing else, over the real library", async () => {
    const root = copyLibrary();
    const directory = join(root, "movies", "Perfect (2001)");
    const [real] = Object.values(read(directory));
    assert.ok(real);
    const media = writeMedia(directory, "Perfect (2001).mp4", "converted", 1_720_000_000.125);
    await recorded(directory, { media });
    const [entry] = Object.values(read(directory));
    assert.ok(entry);
    const added = ["last_processed", "processing_error"];
    assert.deepEqual(Object.keys(entry), [...Object.keys(real), ...added]);
    for (const [name, value] of Object.entries(real).filter(([, value]) => value !== null && value !== undefined)) {
      if (entry[name] !== null) assert.equal(typeof entry[name], typeof value, name);
    }
    await isClean(directory);
  });

  it("moves the entry to the directory of the new file, and makes a cache there if there is none", async () => {
    const { directory, film, other } = makeFilms();
    const root = join(directory, "..");
    const target = makeDirectory(root, "Converted");
    const first = writeMedia(target, "film.mp4", "converted", 1_710_000_000);
    rmSync(film);
    await recorded(root, { media: film, converted: first });
    assert.deepEqual(Object.keys(read(directory)), [keyOf(other)]);
    assert.deepEqual(Object.keys(read(target)), [keyOf(first)]);
    const second = writeMedia(target, "other.mp4", "converted", 1_710_000_001);
    rmSync(other);
    await recorded(root, { media: other, converted: second });
    assert.equal(readFileSync(join(directory, CACHE), "utf8"), "{}");
    assert.deepEqual(Object.keys(read(target)), [keyOf(first), keyOf(second)]);
    await isClean(root);
  });

  it("makes a cache where there was none, as Python would write it, and its undo removes it again", async () => {
    const directory = makePlace("record");
    const media = writeMedia(directory, "film.mkv");
    await recorded(directory, { media });
    const text = readFileSync(join(directory, CACHE), "utf8");
    assert.ok(text.startsWith(`{\n  "${keyOf(media)}": {\n    "fingerprint_hash": "${keyOf(media)}",\n`));
    assert.ok(text.endsWith('\n    "processing_error": null\n  }\n}'));
  });

  it("keeps what mediabox wrote already about the new file, and does not count the conversion twice", async () => {
    const { directory, film } = makeFilms();
    const converted = writeMedia(directory, "film.mkv", "converted", 1_710_000_000);
    const theirs = entryFor(converted, [
      ["conversion_count", "2"],
      ["x_unknown", "1e400"],
    ]);
    const cache = join(directory, CACHE);
    writeFileSync(cache, readFileSync(cache, "utf8").replace(/\n\}$/, `,\n  ${theirs}\n}`));
    await recorded(directory, { media: film });
    const entry = read(directory)[keyOf(converted)];
    assert.deepEqual([entry?.["codec_video"], entry?.["conversion_count"]], ["h264", 2]);
    assert.ok(readFileSync(cache, "utf8").includes('"x_unknown": 1e400,\n    "last_conversion_duration": null,'));
    assert.equal(Object.keys(read(directory)).length, 2);
    await recorded(directory, { media: film });
    assert.equal(read(directory)[keyOf(converted)]?.["conversion_count"], 2);
    await isClean(directory);
  });

  it("replaces a member under the new key that is no entry", async () => {
    const { directory, film, other } = makeFilms();
    const converted = writeMedia(directory, "film.mkv", "converted", 1_710_000_000);
    const cache = join(directory, CACHE);
    writeFileSync(cache, readFileSync(cache, "utf8").replace("{", `{"${keyOf(converted)}": null,`));
    await recorded(directory, { media: film });
    assert.deepEqual(Object.keys(read(directory)), [keyOf(other), keyOf(converted)]);
    assert.equal(read(directory)[keyOf(converted)]?.["file_name"], "film.mkv");
  });

  it("notes a failure in the occurrence of a key that counts: the last", async () => {
    const { directory, film, texts } = makeFilms();
    writeCache(directory, [texts[0] ?? "", texts[0] ?? ""]);
    await recorded(directory, { media: film, failed: "no space" });
    assert.equal(read(directory)[keyOf(film)]?.["processing_error"], "no space");
  });

  it("follows a cache that is a link inside the library, and refuses one that leads out of it", async () => {
    const { directory, film, other } = makeFilms();
    const root = join(directory, "..");
    const cache = join(directory, CACHE);
    renameSync(cache, join(root, "shared.json"));
    symlinkSync("../shared.json", cache);
    const context = makeContext({ config: { libraries: [{ name: "films", roots: [root] }] } });
    await recorded(root, { media: film, failed: "x" }, context);
    assert.match(readFileSync(join(root, "shared.json"), "utf8"), /"processing_error": "x"/);
    const outside = join(makePlace("outside"), "cache.json");
    renameSync(join(root, "shared.json"), outside);
    rmSync(cache);
    symlinkSync(outside, cache);
    const text = readFileSync(outside, "utf8");
    const report = await invoke(record, { media: other, failed: "x" }, context);
    assert.deepEqual([report.status, report.refused.map(({ code }) => code)], ["refused", ["forbidden"]]);
    assert.equal(readFileSync(outside, "utf8"), text);
  });

  it("into a damaged cache fails as corrupt, and nothing is written", async () => {
    const { directory, film } = makeFilms();
    const root = join(directory, "..");
    const converted = writeMedia(join(root, "b"), "film.mp4");
    for (const text of ["", "[1]", '{"a": 1', "\ufeff{}", readFileSync(join(directory, CACHE), "utf8").slice(0, -30)]) {
      writeFileSync(join(directory, CACHE), text);
      const before = treeState(root);
      for (const input of [
        { media: film },
        { media: film, converted },
        { media: film, failed: "x" },
        { media: converted, converted: film },
      ])
        await assert.rejects(invoke(record, input, makeContext()), failsWith("corrupt", /damaged/));
      assert.deepEqual(treeState(root), before);
    }
  });

  it("beside mediabox's temp file that stands in for the cache fails as corrupt, and nothing is written", async () => {
    const { directory, film } = makeFilms();
    renameSync(join(directory, CACHE), join(directory, `${CACHE}.tmp`));
    const before = treeState(directory);
    await assert.rejects(invoke(record, { media: film }, makeContext()), failsWith("corrupt", /temp file/));
    assert.deepEqual(treeState(directory), before);
  });

  it("of a result that is not there, or a failure without entry, is not_found", async () => {
    const { directory, film } = makeFilms();
    const stranger = writeMedia(directory, "stranger.mkv");
    const before = treeState(directory);
    for (const input of [
      { media: film, converted: join(directory, "missing.mp4") },
      { media: film, converted: join(directory, "no directory", "missing.mp4") },
      { media: join(directory, "missing.mkv") },
      { media: stranger, failed: "x" },
    ]) {
      await assert.rejects(invoke(record, input, makeContext()), failsWith("not_found"), JSON.stringify(input));
    }
    assert.deepEqual(treeState(directory), before);
  });

  it("refuses paths that are relative, and a conversion that both failed and has a result", async () => {
    const { film } = makeFilms();
    for (const input of [
      { media: "film.mkv" },
      { media: film, converted: "film.mp4" },
      { media: film, converted: film, failed: "x" },
    ])
      await assert.rejects(invoke(record, input, makeContext()), failsWith("invalid_input"), JSON.stringify(input));
  });

  it("is refused for a directory where a cache is being written, and nothing is written", async () => {
    const directory = makePlace("record");
    const [film = ""] = makeMovies(directory, ["film.mkv"]);
    writeFileSync(join(directory, `${CACHE}.tmp`), "{");
    const text = readFileSync(join(directory, CACHE), "utf8");
    const report = await invoke(record, { media: film, failed: "x" }, makeContext());
    assert.deepEqual([report.status, report.refused.map(({ code }) => code)], ["refused", ["locked"]]);
    assert.equal(readFileSync(join(directory, CACHE), "utf8"), text);
    assert.ok(existsSync(join(directory, `${CACHE}.tmp`)));
  });
});
