import assert from "node:assert/strict";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";

import { defaultPlaces } from "../../shared/caches/probe/media-audit/places.ts";
import { invoke, type Context } from "../../shared/index.ts";
import { check } from "../../shared/operations/check.ts";
import { list } from "../../shared/operations/list.ts";
import { stats } from "../../shared/operations/stats.ts";
import { makeContext } from "../support/context.ts";
import { makeStaleLibrary } from "../support/runs.ts";
import { writeMedia } from "../support/library.ts";
import { copyMediaAuditCache, makeMediaAuditCache, pickleEntries, writeScanEntry } from "../support/media-audit.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { failsWith } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";

/** A context that knows this library, if any, and this cache of media-audit. */
function contextFor(cache: string, roots: readonly string[] = [], more: Partial<Context> = {}): Context {
  const libraries = roots.length === 0 ? [] : [{ name: "films", roots: [...roots] }];
  return makeContext({ config: { libraries, probe: { mediaAudit: [cache] } }, ...more });
}

/** What a check finds in media-audit's cache, as `name problem rule`, by name. */
async function findings(context: Context): Promise<string[]> {
  const result = await invoke(check, { kind: ["probe"] }, context);
  return result.findings.map(({ name, problem, reason }) => `${name} ${problem} ${reason.rule}`).toSorted();
}

describe("media-audit's cache", () => {
  it("is judged by its media: in order, changed, gone", async () => {
    const library = makePlace("library");
    const cache = makeMediaAuditCache();
    const paths = ["same", "longer", "later", "gone"].map((name) => writeMedia(join(library, name), `${name}.mkv`));
    pickleEntries(
      cache,
      paths.map((filePath) => ({ filePath })),
    );
    const [, longer = "", later = "", gone = ""] = paths;
    writeFileSync(longer, "longer than before");
    utimesSync(later, 1_700_000_000, 1_700_000_001);
    rmSync(join(gone, ".."), { recursive: true });
    const before = treeState(cache);
    assert.deepEqual(await findings(contextFor(cache, [library])), [
      "gone.mkv orphaned media_gone",
      "later.mkv changed mtime_differs",
      "longer.mkv changed size_differs",
    ]);
    assert.deepEqual(treeState(cache), before, "judging writes nothing");
  });

  it("is right about times to the nanosecond, as a double holds them", async () => {
    const library = makePlace("library");
    const cache = makeMediaAuditCache();
    const paths = [1_503_542_933.1234567, 1_700_000_000.999999, 1.5, 2_000_000_000].map((mtime, index) =>
      writeMedia(library, `${index}.mkv`, "media", mtime),
    );
    pickleEntries(
      cache,
      paths.map((filePath) => ({ filePath })),
    );
    assert.deepEqual(await findings(contextFor(cache, [library])), []);
  });

  it("counts nothing as orphaned while its library is not there, empty, or only its mount point", async () => {
    const place = makePlace("disks");
    const library = join(place, "library");
    const cache = makeMediaAuditCache();
    const paths = ["a", "b"].map((name) => writeMedia(join(library, name), `${name}.mkv`));
    pickleEntries(
      cache,
      paths.map((filePath) => ({ filePath })),
    );
    const context = contextFor(cache, [library]);
    const outside = contextFor(cache);
    renameSync(library, `${library}-away`);
    assert.deepEqual(await findings(context), [
      "a.mkv unreachable library_missing",
      "b.mkv unreachable library_missing",
    ]);
    assert.deepEqual(await findings(outside), ["a.mkv unreachable parent_is_gone", "b.mkv unreachable parent_is_gone"]);
    mkdirSync(library);
    const empty = ["a.mkv unreachable parent_is_empty", "b.mkv unreachable parent_is_empty"];
    assert.deepEqual(await findings(context), empty);
    assert.deepEqual(await findings(outside), empty);
    // A disk below the library's root is missing: its mount point is there and empty.
    mkdirSync(join(library, "a"));
    writeFileSync(join(library, "other"), "");
    assert.deepEqual(await findings(context), ["a.mkv unreachable parent_is_empty", "b.mkv orphaned media_gone"]);
  });

  it("believes in a loss outside of all libraries only where the directory of the media is there and holds something", async () => {
    const place = makePlace("elsewhere");
    const cache = makeMediaAuditCache();
    const paths = ["kept/gone.mkv", "left/gone too.mkv", "away/gone three.mkv"].map((name) => join(place, name));
    pickleEntries(
      cache,
      paths.map((filePath) => ({ filePath })),
    );
    writeMedia(join(place, "kept"), "other.mkv");
    makeDirectory(place, "left");
    assert.deepEqual(await findings(contextFor(cache)), [
      "gone three.mkv unreachable parent_is_gone",
      "gone too.mkv unreachable parent_is_empty",
      "gone.mkv orphaned media_gone",
    ]);
  });

  it("takes links that lead nowhere, files in the way and endless links for no proof", async () => {
    const library = makePlace("library");
    const cache = makeMediaAuditCache();
    writeMedia(library, "other.mkv");
    symlinkSync(join(library, "missing-disk"), join(library, "linked"));
    symlinkSync(join(library, "missing.mkv"), join(library, "link.mkv"));
    writeFileSync(join(library, "file"), "");
    const paths = ["linked/a.mkv", "link.mkv", "loop/b.mkv", "file/c.mkv"].map((name) => join(library, name));
    pickleEntries(
      cache,
      paths.map((filePath) => ({ filePath })),
    );
    symlinkSync(join(library, "loop"), join(library, "loop"));
    assert.deepEqual(await findings(contextFor(cache, [library])), [
      "a.mkv unreachable dangling_link",
      "b.mkv unreachable media_unreadable",
      "c.mkv unreachable parent_is_no_directory",
      "link.mkv unreachable dangling_link",
    ]);
  });

  it("holds nothing but dead entries of another schema, and compares none while the version cannot be read", async () => {
    const library = makePlace("library");
    const cache = makeMediaAuditCache();
    const [a, b, c] = ["a.mkv", "b.mkv", "c.mkv"].map((name) => writeMedia(library, name));
    pickleEntries(cache, [
      { filePath: a ?? "" },
      { filePath: b ?? "", schema: "f60c1222" },
      { filePath: c ?? "", schema: null },
    ]);
    const context = contextFor(cache, [library]);
    assert.deepEqual(await findings(context), ["b.mkv superseded other_schema"]);
    writeFileSync(join(cache, "schema_version.txt"), "");
    assert.deepEqual(await findings(context), []);
    const { errors } = await invoke(check, { kind: ["probe"] }, context);
    assert.deepEqual(
      errors.map(({ code }) => code),
      ["corrupt"],
    );
    rmSync(join(cache, "schema_version.txt"));
    assert.deepEqual(await findings(context), []);
  });

  it("ties entries with relative paths to media by their key, and keeps the others", async () => {
    const place = makePlace("place");
    const library = join(place, "library");
    const cache = makeMediaAuditCache();
    const [here, gone, below] = ["a/here.mkv", "a/gone.mkv", "a/b/below.mkv"].map((name) => join(library, name));
    for (const path of [here, gone, below, join(library, "a/other.mkv")])
      writeMedia(join(path ?? "", ".."), basename(path ?? ""));
    const far = writeMedia(makePlace("far"), "far.mkv");
    pickleEntries(cache, [
      { filePath: "library/a/here.mkv", keyOf: here ?? "", size: 99 },
      { filePath: "./a/gone.mkv", keyOf: gone ?? "" },
      { filePath: "b/below.mkv", keyOf: below ?? "" },
      { filePath: "far.mkv", keyOf: far },
    ]);
    rmSync(gone ?? "");
    assert.deepEqual(await findings(contextFor(cache, [library])), [
      "far.mkv unreachable relative_path",
      "gone.mkv orphaned media_gone",
      "here.mkv changed size_differs",
    ]);
  });

  it("reports files that are torn, refused, not under their name, or no files, and keeps its eyes off the rest", async () => {
    const library = makePlace("library");
    const cache = makeMediaAuditCache();
    const [film = "", other = ""] = ["film.mkv", "other.mkv"].map((name) => writeMedia(library, name));
    const [file = "", second = ""] = pickleEntries(cache, [{ filePath: film }, { filePath: other }]);
    const bytes = readFileSync(file);
    const put = (name: string, content: Buffer | string) => writeFileSync(join(cache, "probe", name), content);
    put(`${"0".repeat(32)}.pkl`, bytes.subarray(0, -9));
    put(`${"1".repeat(32)}.pkl`, "");
    put(`${"2".repeat(32)}.pkl`, "cos\nsystem\n(S'true'\ntR.");
    put(`${"3".repeat(32)}.pkl`, bytes);
    put("copy.pkl", bytes);
    put("notes.txt", "");
    put(`${"4".repeat(32)}.pkl.tmp`, "");
    mkdirSync(join(cache, "probe", `${"5".repeat(32)}.pkl`));
    symlinkSync(second, join(cache, "probe", `${"6".repeat(32)}.pkl`));
    assert.deepEqual(await findings(contextFor(cache, [library])), [
      "film.mkv unreachable name_is_not_the_key",
      "null corrupt empty_file",
      "null corrupt truncated",
      "null unreachable name_is_not_the_key",
      "null unreachable not_a_regular_file",
      "null unreachable not_a_regular_file",
      "null unreachable pickle_refused",
    ]);
  });

  it("has entries of directories judged by all that lies below them, unlike the program does", async () => {
    const library = makePlace("library");
    const cache = makeMediaAuditCache();
    const directories = ["same", "deep", "later", "future", "gone", "own future"].map((name) => join(library, name));
    for (const directory of directories) {
      const film = writeMedia(join(directory, "season", "extras"), "film.mkv");
      const past = Date.now() / 1000 - 7200;
      for (const path of [film, join(film, ".."), join(film, "../.."), directory]) utimesSync(path, past, past);
      writeScanEntry(cache, directory, { file_mtime: past + 60 });
    }
    const [, deep = "", later = "", future = "", gone = "", own = ""] = directories;
    const soon = Date.now() / 1000 - 60;
    utimesSync(join(deep, "season/extras/film.mkv"), soon, soon);
    utimesSync(later, soon, soon);
    utimesSync(join(future, "season"), soon + 7200, soon + 7200);
    writeScanEntry(cache, own, { file_mtime: soon + 7200 });
    rmSync(gone, { recursive: true });
    writeScanEntry(cache, join(library, "torn"));
    const torn = readdirSync(join(cache, "scan")).find((name) =>
      readFileSync(join(cache, "scan", name), "utf8").includes("/torn"),
    );
    writeFileSync(join(cache, "scan", torn ?? ""), '{"key": ');
    assert.deepEqual(await findings(contextFor(cache, [library])), [
      "deep changed subtree_changed",
      "future changed time_in_the_future",
      "gone orphaned media_gone",
      "later changed subtree_changed",
      "null corrupt invalid_json",
      "own future changed time_in_the_future",
    ]);
  });

  it("of the real program is read whole, and nothing of it is orphaned where its library is not", async () => {
    const cache = copyMediaAuditCache();
    const result = await invoke(check, { kind: ["probe"] }, contextFor(cache));
    assert.deepEqual([result.caches, result.entries, result.findings.length], [36, 36, 36]);
    assert.deepEqual(new Set(result.findings.map(({ problem }) => problem)), new Set(["unreachable"]));
    // The older entry of the same library is of another schema than the program of today.
    const older = copyMediaAuditCache("older");
    writeFileSync(join(older, "schema_version.txt"), "ab1e5209");
    assert.deepEqual(await findings(contextFor(older)), [
      "The Matrix (1999) - 1080p.mkv superseded other_schema",
      "The Matrix (1999) superseded other_schema",
    ]);
  });

  it("is looked at with the libraries when no paths are given, alone when it is asked for, not with paths", async () => {
    const library = makeStaleLibrary("a");
    const cache = makeMediaAuditCache();
    pickleEntries(cache, [{ filePath: join(library, "a", "never.mkv") }]);
    const context = contextFor(cache, [library]);
    const kinds = async (input: Record<string, unknown>) =>
      (await invoke(check, input, context)).findings.map(({ kind }) => kind);
    assert.deepEqual(await kinds({}), ["directory", "probe"]);
    assert.deepEqual(await kinds({ kind: ["probe"] }), ["probe"]);
    assert.deepEqual(await kinds({ kind: ["probe"], paths: [cache] }), ["probe"]);
    assert.deepEqual(await kinds({ kind: ["directory"] }), ["directory"]);
    assert.deepEqual(await kinds({ kind: ["directory", "probe"], paths: [library] }), ["directory", "probe"]);
    assert.deepEqual(await kinds({ paths: [library] }), ["directory"]);
  });

  it("is one line of the list, and has its figures in the statistics", async () => {
    const library = makePlace("library");
    const cache = makeMediaAuditCache();
    const [film = ""] = ["film.mkv", "gone.mkv"].map((name) => writeMedia(library, name));
    pickleEntries(cache, [
      { filePath: film },
      { filePath: join(library, "gone.mkv"), cacheTime: Date.now() / 1000 - 40 * 86_400 },
    ]);
    rmSync(join(library, "gone.mkv"));
    const context = contextFor(cache, [library]);
    const { caches } = await invoke(list, { kind: ["probe"] }, context);
    assert.deepEqual(
      caches.map(({ kind, cache, entries, byProblem }) => ({ kind, cache, entries, byProblem })),
      [{ kind: "probe", cache, entries: 2, byProblem: { orphaned: 1 } }],
    );
    const { mediaAudit, caches: directories } = await invoke(stats, {}, context);
    assert.equal(directories, 0);
    assert.equal(mediaAudit?.bytes, caches[0]?.bytes);
    assert.deepEqual(mediaAudit?.byAge, { "under 1 day": 1, "30 to 90 days": 1 });
    assert.deepEqual(mediaAudit?.byProblem, { orphaned: 1 });
  });

  it("is looked for at the places that media-audit uses on each system, today's and the old one", () => {
    const home = "/home/u";
    const at = (platform: NodeJS.Platform, cacheHome?: string) => defaultPlaces({ platform, home, cacheHome });
    assert.deepEqual(at("linux"), ["/home/u/.cache/media-audit"]);
    assert.deepEqual(at("linux", "/fast"), ["/fast/media-audit", "/home/u/.cache/media-audit"]);
    assert.deepEqual(at("darwin", "/fast"), ["/home/u/Library/Caches/media-audit", "/home/u/.cache/media-audit"]);
    assert.deepEqual(at("win32", "/appdata"), ["/appdata/media-audit/cache", "/home/u/.cache/media-audit"]);
  });

  it("is found where XDG_CACHE_HOME says, and asked for in vain says what to do", async () => {
    const cache = makeMediaAuditCache();
    const library = makePlace("library");
    const [file = ""] = pickleEntries(cache, [{ filePath: writeMedia(library, "film.mkv"), size: 1 }]);
    const context = makeContext({ cacheHome: join(cache, "..") });
    const { findings: found } = await invoke(check, { kind: ["probe"] }, context);
    assert.deepEqual(
      found.map((finding) => finding.cache),
      [file],
    );
    const relative = makeContext({ config: { probe: { mediaAudit: ["~/.cache/media-audit"] } } });
    await assert.rejects(invoke(check, {}, relative), failsWith("invalid_input", /is not an absolute path/));
    await assert.rejects(
      invoke(check, { kind: ["probe"], paths: [join(cache, "missing")] }, makeContext()),
      failsWith("not_found"),
    );
  });

  it("that is not there is a trouble, and the libraries are checked all the same", async () => {
    const library = makeStaleLibrary("a");
    const { findings: found, errors } = await invoke(check, {}, contextFor("/nowhere/media-audit", [library]));
    assert.deepEqual(
      found.map(({ problem }) => problem),
      ["orphaned"],
    );
    assert.deepEqual(
      errors.map(({ path, code }) => `${path} ${code}`),
      ["/nowhere/media-audit root_missing"],
    );
  });

  it("tells somebody who is confined to the libraries nothing of what lies elsewhere", async () => {
    const library = makePlace("library");
    const cache = makeMediaAuditCache();
    const [inside, outside] = [writeMedia(library, "inside.mkv"), writeMedia(makePlace("secret"), "outside.mkv")];
    pickleEntries(cache, [
      { filePath: inside, size: 1 },
      { filePath: outside, size: 1 },
    ]);
    const confined = contextFor(cache, [library], { bounds: { confined: true } });
    assert.deepEqual(await findings(confined), [
      "inside.mkv changed size_differs",
      "outside.mkv unreachable outside_the_libraries",
    ]);
    const other = makeMediaAuditCache();
    await assert.rejects(invoke(check, { kind: ["probe"], paths: [other] }, confined), failsWith("forbidden"));
  });
});
