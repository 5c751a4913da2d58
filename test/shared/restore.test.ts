import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { invoke, loadPlan, previewFile, type Context } from "../../shared/index.ts";
import { backup } from "../../shared/operations/backup.ts";
import { cleanup } from "../../shared/operations/cleanup.ts";
import { restore } from "../../shared/operations/restore.ts";
import { cachesIn } from "../support/archive.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, copyLibrary, entryFor, makeMovies, writeCache } from "../support/library.ts";
import { copyMediaAuditCache, makeMediaAuditCache } from "../support/media-audit.ts";
import { maliciousPickles } from "../support/pickles.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { applyById, failsWith, undoById } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";

const NAME = "before.tar.gz";

describe("a restore", () => {
  it("gives back bytes, modes, owners and times of every cache, and its undo gives back the damage", async () => {
    const root = copyLibrary();
    for (const [index, cache] of cachesIn(root).entries()) {
      if (index % 3 === 0) chownSync(join(root, cache), 1000 + index, 1000);
      if (index % 4 === 0) chmodSync(join(root, cache), 0o640);
    }
    const original = cacheState(root);
    const context = makeContext();
    await invoke(backup, { paths: [root], archive: NAME }, context);
    const damage: ((path: string) => void)[] = [
      (path) => rmSync(path),
      (path) => truncateSync(path, 40),
      (path) => writeFileSync(path, Buffer.from([0xff, 0xfe, 0])),
      (path) => writeFileSync(path, ""),
      (path) => chmodSync(path, 0o600),
      (path) => chownSync(path, 7, 8),
      (path) => utimesSync(path, 1, 1.5),
      () => undefined,
    ];
    for (const [index, cache] of cachesIn(root).entries()) damage[index % damage.length]?.(join(root, cache));
    const damaged = cacheState(root);
    assert.notDeepEqual(damaged, original);
    const before = treeState(root);
    const plan = await invoke(restore, { archive: NAME, detail: "full" }, context);
    assert.deepEqual(treeState(root), before, "planning changes nothing");
    assert.equal(plan.status, "ready");
    assert.match(plan.acknowledge, /^restore \d+ files from a backup in /);
    assert.deepEqual(new Set(plan.changes?.map(({ reason }) => reason.rule)), RULES);
    const report = await applyById(context, plan.plan);
    assert.equal(report.status, "complete");
    assert.equal(report.reclaimedBytes, plan.bytes);
    assert.deepEqual(cacheState(root), original);
    const undone = await undoById(context, report.run);
    assert.equal(undone.status, "complete");
    assert.deepEqual(cacheState(root), damaged);
    const redone = await undoById(context, undone.run);
    assert.equal(redone.status, "complete");
    assert.deepEqual(cacheState(root), original);
    assert.equal((await invoke(restore, { archive: NAME }, context)).status, "empty");
  });

  it("shows each file as it is and as it would be", async () => {
    const root = copyLibrary();
    const context = makeContext();
    await invoke(backup, { paths: [root], archive: NAME }, context);
    const cache = join(root, cachesIn(root)[0] ?? "");
    const original = readFileSync(cache);
    writeFileSync(cache, "damaged");
    const { plan } = loadPlan(context.state(), (await invoke(restore, { archive: NAME }, context)).plan);
    const { before, after } = await previewFile(plan, cache, context);
    assert.deepEqual([String(before), after], ["damaged", original]);
  });

  it("leaves caches alone that are not in the backup", async () => {
    const root = copyLibrary();
    const context = makeContext();
    await invoke(backup, { paths: [root], archive: NAME }, context);
    makeMovies(join(root, "new"), ["New.mkv"]);
    const before = treeState(root);
    const plan = await invoke(restore, { archive: NAME }, context);
    assert.equal(plan.status, "empty");
    assert.deepEqual(treeState(root), before);
  });

  it("makes no directory: what was in one that is gone is skipped and said so", async () => {
    const root = copyLibrary();
    const context = makeContext();
    await invoke(backup, { paths: [root], archive: NAME }, context);
    const gone = join(root, "movies", "Perfect (2001)");
    rmSync(gone, { recursive: true });
    const plan = await invoke(restore, { archive: NAME }, context);
    assert.deepEqual(plan.skipped, [
      { cache: join(gone, CACHE), entry: null, name: null, rule: "directory_gone", observed: gone },
    ]);
    assert.equal(plan.status, "empty");
  });

  it("of a part touches only that part", async () => {
    const [films, series] = [copyLibrary(), copyLibrary("library-legacy")];
    const libraries = [
      { name: "films", roots: [films] },
      { name: "series", roots: [series] },
    ];
    const context = makeContext({ config: { libraries } });
    await invoke(backup, { archive: NAME }, context);
    for (const root of [films, series]) for (const cache of cachesIn(root)) writeFileSync(join(root, cache), "{}");
    const touched = async (input: object) =>
      ((await invoke(restore, { archive: NAME, detail: "full", ...input }, context)).changes ?? []).map(
        ({ cache }) => cache,
      );
    assert.ok((await touched({ paths: ["films"] })).every((cache) => cache.startsWith(films)));
    assert.equal((await touched({ paths: ["films"] })).length, cachesIn(films).length);
    const matrix = join(films, "movies", "The Matrix (1999)");
    assert.deepEqual(await touched({ paths: [matrix] }), [join(matrix, CACHE)]);
    assert.deepEqual(await touched({ paths: ["films"], include: ["movies/The Matrix*/**"] }), [join(matrix, CACHE)]);
    const rest = await touched({ paths: ["films"], exclude: ["movies/**"] });
    assert.ok(rest.length > 0 && rest.every((cache) => !cache.startsWith(join(films, "movies"))));
    await assert.rejects(touched({ paths: [join(films, "mov")] }), failsWith("not_found"));
    await assert.rejects(touched({ paths: ["other"] }), failsWith("invalid_input"));
  });

  it("can be narrowed to some of its changes, and does exactly these", async () => {
    const root = copyLibrary();
    const context = makeContext();
    await invoke(backup, { paths: [root], archive: NAME }, context);
    const [first = "", second = "", third = ""] = cachesIn(root).map((cache) => join(root, cache));
    const originals = [first, second, third].map((path) => readFileSync(path));
    for (const path of [first, second, third]) writeFileSync(path, "broken");
    const whole = await invoke(restore, { archive: NAME, detail: "full" }, context);
    const ids = (whole.changes ?? []).filter(({ cache }) => cache !== second).map(({ id }) => id);
    const part = await invoke(cleanup, { from: whole.plan, only: ids }, context);
    assert.equal(part.entries, 2);
    const report = await applyById(context, part.plan);
    assert.equal(report.status, "complete");
    assert.deepEqual([readFileSync(first), readFileSync(third)], [originals[0], originals[2]]);
    assert.equal(readFileSync(second, "utf8"), "broken");
  });

  it("goes into another directory on request, where the directories are there", async () => {
    const root = copyLibrary();
    const context = makeContext();
    await invoke(backup, { paths: [root], archive: NAME }, context);
    const before = treeState(root);
    const to = makePlace("other");
    makeDirectory(to, "movies", "The Matrix (1999)");
    const plan = await invoke(restore, { archive: NAME, to }, context);
    assert.equal(plan.entries, 1);
    assert.ok(plan.skipped.length > 10 && plan.skipped.every(({ rule }) => rule === "directory_gone"));
    await applyById(context, plan.plan);
    const path = join("movies", "The Matrix (1999)", CACHE);
    assert.deepEqual(readFileSync(join(to, path)), readFileSync(join(root, path)));
    assert.deepEqual(treeState(root), before);
    await assert.rejects(invoke(restore, { archive: NAME, to: "elsewhere" }, context), failsWith("invalid_input"));
  });

  it("is blocked by a root that is not there, empty, or another place", async () => {
    const root = copyLibrary();
    const context = makeContext();
    await invoke(backup, { paths: [root], archive: NAME }, context);
    assert.equal((await invoke(restore, { archive: NAME }, context)).status, "empty");
    const aside = `${root}-aside`;
    execFileSync("mv", [root, aside]);
    const missing = await invoke(restore, { archive: NAME }, context);
    assert.deepEqual([missing.status, missing.blocked[0]?.guard], ["blocked", "root_missing"]);
    await assert.rejects(applyById(context, missing.plan), failsWith("blocked"));
    mkdirSync(root);
    assert.equal((await invoke(restore, { archive: NAME }, context)).blocked[0]?.guard, "root_empty");
    rmSync(root, { recursive: true });
    symlinkSync(aside, root);
    const elsewhere = await invoke(restore, { archive: NAME }, context);
    assert.equal(elsewhere.blocked[0]?.guard, "root_changed");
    assert.equal((await invoke(restore, { archive: NAME, allow: ["root_changed"] }, context)).status, "empty");
  });

  it("never goes through a link that leads out of the library", async () => {
    const root = copyLibrary();
    const context = makeContext();
    await invoke(backup, { paths: [root], archive: NAME }, context);
    const outside = makePlace("outside");
    const [first = "", second = ""] = cachesIn(root).filter((cache) => cache.startsWith("movies"));
    rmSync(join(root, dirname(first)), { recursive: true });
    symlinkSync(outside, join(root, dirname(first)));
    writeFileSync(join(outside, "target"), "");
    rmSync(join(root, second));
    symlinkSync(join(outside, "target"), join(root, second));
    const before = treeState(outside);
    const plan = await invoke(restore, { archive: NAME }, context);
    assert.equal(plan.status, "empty");
    assert.deepEqual(new Set(plan.skipped.map(({ rule }) => rule)), new Set(["leads_outside_the_library"]));
    assert.equal(plan.skipped.length, 2);
    assert.deepEqual(treeState(outside), before);
  });

  it("refuses a cache that changed after it was planned", async () => {
    const root = copyLibrary();
    const context = makeContext();
    await invoke(backup, { paths: [root], archive: NAME }, context);
    const [first = "", second = ""] = cachesIn(root).map((cache) => join(root, cache));
    const original = readFileSync(second);
    for (const path of [first, second]) writeFileSync(path, "broken");
    const plan = await invoke(restore, { archive: NAME }, context);
    writeFileSync(first, "somebody else's");
    const report = await applyById(context, plan.plan);
    assert.equal(report.status, "partial");
    assert.deepEqual(
      report.refused.map(({ file, code }) => [file, code]),
      [[first, "stale_plan"]],
    );
    assert.equal(readFileSync(first, "utf8"), "somebody else's");
    assert.deepEqual(readFileSync(second), original);
  });

  it("needs no archive any more once it is planned, and another run does not take its bytes away", async () => {
    const root = copyLibrary();
    const context = makeContext({ config: { retention: { maxBytes: 0 } } });
    const made = await invoke(backup, { paths: [root], archive: NAME }, context);
    const cache = join(root, cachesIn(root)[0] ?? "");
    const original = readFileSync(cache);
    writeFileSync(cache, "broken");
    const plan = await invoke(restore, { archive: NAME }, context);
    rmSync(made.archive);
    const other = makePlace("library");
    makeMovies(join(other, "a"), ["One.mkv", "Two.mkv", "Three.mkv"]);
    rmSync(join(other, "a", "One.mkv"));
    const cleaning = await invoke(cleanup, { paths: [other] }, context);
    assert.equal((await applyById(context, cleaning.plan)).status, "complete");
    assert.equal((await applyById(context, plan.plan)).status, "complete");
    assert.deepEqual(readFileSync(cache), original);
  });

  it("lets go of its bytes when the plan has expired", async () => {
    let now = Date.now();
    const root = copyLibrary();
    const context = makeContext({ now: () => now });
    await invoke(backup, { paths: [root], archive: NAME }, context);
    writeFileSync(join(root, cachesIn(root)[0] ?? ""), "broken");
    await invoke(restore, { archive: NAME }, context);
    assert.equal(blobs(context), 1);
    now += 2 * 3_600_000;
    const other = makePlace("library");
    writeCache(other, [entryFor(makeMovies(join(other, "a"), ["One.mkv"])[0] ?? "")]);
    const cleaning = await invoke(cleanup, { paths: [other], allow: ["stale_ratio"] }, context);
    const report = await applyById(context, cleaning.plan);
    assert.equal(report.files, 1);
    assert.equal(blobs(context), 1, "only the old bytes of the cleaned cache");
  });

  it("puts our own store back while nobody has it open, and not while somebody has", async () => {
    const context = makeContext();
    const path = join(context.state().directory, "probe.db");
    const write = (value: string) => {
      const store = new DatabaseSync(path);
      store.exec("PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS t (x TEXT); DELETE FROM t");
      store.prepare("INSERT INTO t VALUES (?)").run(value);
      return store;
    };
    write("old").close();
    chmodSync(path, 0o600);
    await invoke(backup, { kind: "probe", archive: NAME }, context);
    write("new").close();
    const plan = await invoke(restore, { archive: NAME, detail: "full" }, context);
    assert.equal(plan.changes?.[0]?.kind, "probe");
    const open = write("in use");
    const refused = await applyById(context, plan.plan);
    assert.equal(refused.status, "refused");
    open.close();
    const again = await invoke(restore, { archive: NAME }, context);
    assert.equal((await applyById(context, again.plan)).status, "complete");
    const store = new DatabaseSync(path);
    assert.deepEqual(
      store
        .prepare("SELECT x FROM t")
        .all()
        .map((row) => row["x"]),
      ["old"],
    );
    store.close();
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it("puts our own store back when it was damaged since", async () => {
    const context = makeContext();
    const path = join(context.state().directory, "probe.db");
    const store = new DatabaseSync(path);
    store.exec("CREATE TABLE t (x TEXT); INSERT INTO t VALUES ('a')");
    store.close();
    const original = readFileSync(path);
    await invoke(backup, { kind: "probe", archive: NAME }, context);
    for (const damage of ["no database".repeat(500), original.subarray(0, 5000), ""]) {
      writeFileSync(path, damage);
      const plan = await invoke(restore, { archive: NAME }, context);
      assert.equal((await applyById(context, plan.plan)).status, "complete");
      const restored = new DatabaseSync(path, { readOnly: true });
      assert.equal(restored.prepare("SELECT x FROM t").get()?.["x"], "a");
      restored.close();
    }
  });

  it("finds our own store as it was when nothing was added since", async () => {
    const context = makeContext();
    const store = new DatabaseSync(join(context.state().directory, "probe.db"));
    store.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (x TEXT); INSERT INTO t VALUES ('a'), ('b')");
    await invoke(backup, { kind: "probe", archive: NAME }, context);
    assert.equal((await invoke(restore, { archive: NAME }, context)).status, "empty");
    store.exec("INSERT INTO t VALUES ('c')");
    assert.equal((await invoke(restore, { archive: NAME }, context)).entries, 1);
    store.close();
  });

  it("puts a cache directory of media-audit back as it was, when it is known here", async () => {
    const audit = copyMediaAuditCache();
    const context = makeContext({ config: { probe: { mediaAudit: [audit] } } });
    const pickles = readdirSync(join(audit, "probe"));
    writeFileSync(join(audit, "probe", "notes.txt"), "not a cache");
    const files = () => treeState(audit).filter((line) => /\.(pkl|json|txt) /.test(line));
    const before = files();
    const made = await invoke(backup, { kind: "probe", archive: NAME }, context);
    assert.equal(made.files, before.length - 1);
    rmSync(join(audit, "probe", pickles[0] ?? ""));
    writeFileSync(join(audit, "probe", pickles[1] ?? ""), "torn");
    const plan = await invoke(restore, { archive: NAME }, context);
    assert.equal(plan.entries, 2);
    assert.equal((await applyById(context, plan.plan)).status, "complete");
    assert.deepEqual(files(), before);
    const elsewhere = makeContext({ state: context.state, config: { probe: { mediaAudit: [makePlace()] } } });
    await assert.rejects(invoke(restore, { archive: NAME }, elsewhere), failsWith("forbidden", /no known cache/));
  });

  it("never puts a pickle there that is more than data", async () => {
    const audit = makeMediaAuditCache();
    const context = makeContext({ config: { probe: { mediaAudit: [audit] } } });
    const evil = maliciousPickles(join(audit, "PWNED")).map(([, bytes]) => bytes);
    for (const [index, bytes] of evil.entries()) {
      writeFileSync(join(audit, "probe", `${String(index).padStart(32, "0")}.pkl`), bytes);
    }
    await invoke(backup, { kind: "probe", archive: NAME }, context);
    for (const name of readdirSync(join(audit, "probe"))) rmSync(join(audit, "probe", name));
    const plan = await invoke(restore, { archive: NAME, detail: "full" }, context);
    assert.ok(evil.length > 5);
    assert.equal(plan.skipped.filter(({ rule }) => rule === "pickle_is_more_than_data").length, evil.length);
    assert.deepEqual(plan.changes, []);
  });
});

const RULES = new Set(["missing_since_backup", "differs_from_backup", "attributes_differ"]);

function cacheState(root: string): string[] {
  return treeState(root).filter((line) => line.includes(CACHE));
}

function blobs(context: Context): number {
  return Number(context.state().get("SELECT count(*) AS number FROM blobs")?.["number"]);
}
