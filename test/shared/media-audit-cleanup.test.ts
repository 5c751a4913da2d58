import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { invoke, type Context } from "../../shared/index.ts";
import { cleanup } from "../../shared/operations/cleanup.ts";
import { repair } from "../../shared/operations/repair.ts";
import { cli, cliEnvironment } from "../support/cli.ts";
import { makeContext } from "../support/context.ts";
import { writeMedia } from "../support/library.ts";
import { age, makeMediaAuditCache, pickleEntries, writeScanEntry } from "../support/media-audit.ts";
import { makePlace } from "../support/place.ts";
import { applyById, failsWith, makeStaleLibrary, undoById } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";

interface Scene {
  readonly cache: string;
  readonly library: string;
  readonly context: Context;
  /** Files of the cache by what they are about. */
  readonly files: Readonly<Record<Name, string>>;
}
type Name =
  | "kept"
  | "gone"
  | "old"
  | "changed"
  | "relative"
  | "torn"
  | "refused"
  | "folder"
  | "lost folder"
  | "elsewhere";

/** A library, and a cache of media-audit with an entry of every class. */
function makeScene(): Scene {
  const library = makePlace("library");
  const cache = makeMediaAuditCache();
  const film = (name: string) => writeMedia(join(library, name), `${name}.mkv`);
  const torn = film("torn");
  const [kept = "", gone = "", old = "", changed = "", relative = "", tornFile = "", elsewhere = ""] = pickleEntries(
    cache,
    [
      { filePath: film("kept") },
      { filePath: film("gone") },
      { filePath: film("old"), schema: "f60c1222" },
      { filePath: film("changed"), size: 99 },
      { filePath: "x/relative.mkv", keyOf: join(makePlace("cwd"), "x/relative.mkv") },
      { filePath: torn },
      { filePath: "/never/mounted/film.mkv" },
    ],
  );
  rmSync(join(library, "gone"), { recursive: true });
  writeFileSync(tornFile, readFileSync(tornFile).subarray(0, 50));
  age(tornFile);
  const refused = join(cache, "probe", `${"a".repeat(32)}.pkl`);
  writeFileSync(refused, "cos\nsystem\n(S'true'\ntR.");
  age(refused);
  const folder = writeScanEntry(cache, join(library, "kept"));
  const lostFolder = writeScanEntry(cache, join(library, "gone"));
  const context = makeContext({
    config: { libraries: [{ name: "films", roots: [library] }], probe: { mediaAudit: [cache] } },
  });
  const files = {
    kept,
    gone,
    old,
    changed,
    relative,
    torn: tornFile,
    refused,
    folder,
    "lost folder": lostFolder,
    elsewhere,
  };
  return { cache, library, context, files };
}

const plan = (context: Context, input: Record<string, unknown> = {}) =>
  invoke(cleanup, { kind: ["probe"], detail: "full", ...input }, context);

/** The names of the files that are gone. */
function missing(files: Scene["files"]): string[] {
  return Object.entries(files).flatMap(([name, path]) => (existsSync(path) ? [] : [name]));
}

describe("a cleanup of media-audit's cache", () => {
  it("removes exactly what is stale, says so beforehand, and an undo puts every byte and time back", async () => {
    const { cache, library, context, files } = makeScene();
    const before = treeState(cache);
    const media = treeState(library);
    const made = await plan(context);
    assert.deepEqual(treeState(cache), before, "planning writes nothing");
    assert.deepEqual(made.byProblem, { orphaned: 2, superseded: 1 });
    assert.deepEqual(made.kept, { changed: 1, corrupt: 1, unreachable: 3 });
    assert.deepEqual(new Set(made.changes?.map(({ does, kind }) => `${does} ${kind}`)), new Set(["discard probe"]));
    const report = await applyById(context, made.plan);
    assert.deepEqual([report.status, report.entries, report.reclaimedBytes], ["complete", made.entries, made.bytes]);
    assert.deepEqual(missing(files), ["gone", "old", "lost folder"]);
    const undone = await undoById(context, report.run);
    assert.deepEqual([undone.status, undone.restored], ["complete", 3]);
    assert.deepEqual(treeState(cache), before);
    assert.deepEqual(treeState(library), media);
  });

  it("takes changed entries when asked for, and only those of media that is still as it was seen", async () => {
    const { context, library, files } = makeScene();
    const made = await plan(context, { problem: ["changed"] });
    assert.equal(made.entries, 1);
    writeFileSync(join(library, "changed", "changed.mkv"), "another time");
    const refused = await applyById(context, made.plan);
    assert.equal(refused.status, "refused");
    const again = await plan(context, { problem: ["changed"] });
    await applyById(context, again.plan);
    assert.deepEqual(missing(files), ["changed"]);
  });

  it("with a repair discards what is torn, and nothing that was refused", async () => {
    const { cache, context, files } = makeScene();
    const before = treeState(cache);
    const made = await invoke(repair, { kind: ["probe"], detail: "full" }, context);
    assert.deepEqual(made.byProblem, { corrupt: 1 });
    const report = await applyById(context, made.plan);
    assert.deepEqual(missing(files), ["torn"]);
    await undoById(context, report.run);
    assert.deepEqual(treeState(cache), before);
  });

  it("goes by the age that entries say, never by that of their files", async () => {
    const { cache, context, library } = makeScene();
    const day = 86_400;
    const [file = ""] = pickleEntries(cache, [
      { filePath: writeMedia(join(library, "ancient"), "ancient.mkv"), cacheTime: Date.now() / 1000 - 90 * day },
    ]);
    const young = join(library, "kept", "kept.mkv");
    age(pickleEntries(cache, [{ filePath: young }])[0] ?? "", 400 * day);
    const made = await plan(context, { problem: ["expired"], olderThan: "30d" });
    assert.deepEqual(
      made.changes?.map(({ cache, name }) => [cache, name]),
      [[file, "ancient.mkv"]],
    );
  });

  it("keeps what the configuration and patterns keep, by the path of the media in its library", async () => {
    const { cache, library, context } = makeScene();
    const { configuration } = context;
    const names = async (input: Record<string, unknown>, keep: string[] = []) => {
      const made = await plan({ ...context, configuration: { ...configuration, keep } }, input);
      return made.changes?.map(({ name }) => name).toSorted();
    };
    pickleEntries(cache, [{ filePath: join(library, "shows", "a", "1.mkv") }]);
    assert.deepEqual(await names({}, ["gone/*", "old/*"]), ["1.mkv", "gone"]);
    assert.deepEqual(await names({ include: ["shows/**"] }), ["1.mkv"]);
    assert.deepEqual(await names({ exclude: ["*.mkv"] }), ["gone"]);
  });

  it("is blocked when too much of the cache is orphaned at once, whatever the libraries' own caches hold", async () => {
    const library = makePlace("library");
    const cache = makeMediaAuditCache();
    const paths = Array.from({ length: 30 }, (_, index) => writeMedia(join(library, `${index}`), "film.mkv"));
    pickleEntries(
      cache,
      paths.map((filePath) => ({ filePath })),
    );
    for (const index of paths.keys()) if (index > 9) rmSync(join(library, `${index}`), { recursive: true });
    const context = makeContext({
      config: { libraries: [{ name: "films", roots: [library] }], probe: { mediaAudit: [cache] } },
    });
    const made = await plan(context);
    assert.equal(made.status, "blocked");
    assert.deepEqual(
      made.blocked.map(({ guard, path }) => [guard, path]),
      [["stale_ratio", cache]],
    );
    await assert.rejects(applyById(context, made.plan), failsWith("blocked"));
    assert.equal((await plan(context, { allow: ["stale_ratio"] })).entries, 20);
  });

  it("removes nothing while the library is unmounted, and is blocked when another place stands there", async () => {
    const { library, cache, context, files } = makeScene();
    const made = await plan(context, { problem: ["orphaned"] });
    assert.equal(made.entries, 2);
    renameSync(library, `${library}-away`);
    const away = await plan(context, { problem: ["orphaned"] });
    assert.deepEqual([away.status, away.entries], ["empty", 0]);
    const other = makePlace("other");
    writeMedia(other, "other.mkv");
    const linked = makeContext({
      state: context.state,
      config: { libraries: [{ name: "films", roots: [library] }], probe: { mediaAudit: [cache] } },
    });
    symlinkSync(other, library);
    const changed = await plan(linked);
    assert.deepEqual(
      changed.blocked.map(({ guard, path }) => [guard, path]),
      [["root_changed", library]],
    );
    assert.deepEqual(missing(files), []);
    rmSync(library);
    rmSync(`${library}-away`, { recursive: true });
  });

  it("is blocked when the cache is another place than the plan was made for", async () => {
    const { cache, context } = makeScene();
    const made = await plan(context);
    renameSync(cache, `${cache}-old`);
    cpSync(`${cache}-old`, cache, { recursive: true, preserveTimestamps: true });
    const before = treeState(cache);
    await assert.rejects(applyById(context, made.plan), failsWith("blocked", /not the place it was/));
    assert.deepEqual(treeState(cache), before);
  });

  it("leaves alone what media-audit wrote meanwhile, and what came back", async () => {
    const { context, library, cache, files } = makeScene();
    const made = await plan(context);
    const path = join(library, "gone", "gone.mkv");
    writeMedia(join(library, "gone"), "gone.mkv", "a new copy");
    pickleEntries(cache, [{ filePath: path }, { filePath: join(library, "old", "old.mkv") }]);
    const before = treeState(cache);
    const report = await applyById(context, made.plan);
    assert.equal(report.status, "refused");
    assert.deepEqual(missing(files), []);
    assert.deepEqual(
      treeState(cache).filter((line) => !line.startsWith("./probe 16")),
      before.filter((line) => !line.startsWith("./probe 16")),
    );
  });

  it("refuses the rest when the program that runs now is of another version than the one judged by", async () => {
    const { cache, context, files } = makeScene();
    const made = await plan(context, { problem: ["superseded"] });
    writeFileSync(join(cache, "schema_version.txt"), "f60c1222");
    assert.equal((await applyById(context, made.plan)).status, "refused");
    assert.deepEqual(missing(files), []);
  });

  it("that nobody watches waits until media-audit has left its cache alone", async () => {
    const { context, files } = makeScene();
    const { entries, skipped } = await plan(context, { unattended: true });
    assert.deepEqual([entries, new Set(skipped.map(({ rule }) => rule))], [0, new Set(["too_recent"])]);
    for (const file of Object.values(files)) age(file, 90_000);
    assert.equal((await plan(context, { unattended: true })).entries, 3);
    age(files.kept, 60);
    assert.equal((await plan(context, { unattended: true })).entries, 0);
  });

  it("can be narrowed to some of its changes, and goes together with the libraries' caches in one plan", async () => {
    const { context, cache } = makeScene();
    const library = makeStaleLibrary("a");
    const both = {
      ...context,
      configuration: {
        ...context.configuration,
        libraries: [...context.configuration.libraries, { name: "more", roots: [library] }],
      },
    };
    const made = await invoke(cleanup, { detail: "full" }, both);
    assert.deepEqual(made.byProblem, { orphaned: 3, superseded: 1 });
    const wanted = made.changes?.filter(({ problem }) => problem === "superseded").map(({ id }) => id);
    const narrowed = await invoke(cleanup, { from: made.plan, only: wanted, detail: "full" }, both);
    assert.deepEqual(narrowed.byProblem, { superseded: 1 });
    const before = treeState(cache);
    const report = await applyById(both, made.plan);
    assert.deepEqual([report.status, report.entries], ["complete", 4]);
    const undone = await undoById(both, report.run);
    assert.equal(undone.status, "complete");
    assert.deepEqual(treeState(cache), before);
  });

  it("works from the command line, where the cache is found in its default place", () => {
    const { cache, library, files } = makeScene();
    const config = join(makePlace("config"), "config.json");
    writeFileSync(config, JSON.stringify({ libraries: [{ name: "films", roots: [library] }] }));
    const env = { ...cliEnvironment(undefined, config), XDG_CACHE_HOME: join(cache, "..") };
    assert.equal(cli(["check", "--kind", "probe", "--json"], env).code, 1);
    const made = cli(["cleanup", "--kind", "probe", "--json"], env).json<{ plan: string; entries: number }>();
    assert.equal(made.entries, 3);
    const applied = cli(["apply", made.plan, "--yes", "--json"], env);
    assert.equal(applied.code, 0, applied.stderr);
    assert.deepEqual(missing(files), ["gone", "old", "lost folder"]);
    assert.equal(cli(["undo", "last", "--json"], env).code, 0);
    assert.deepEqual(missing(files), []);
    assert.ok(statSync(files.gone).isFile());
  });
});
