import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { invoke, type Context } from "../../shared/index.ts";
import { backup } from "../../shared/operations/backup.ts";

import { restore } from "../../shared/operations/restore.ts";
import { cachesIn, membersOf } from "../support/archive.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, copyLibrary, makeMovies } from "../support/library.ts";
import { copyMediaAuditCache } from "../support/media-audit.ts";

import { makePlace } from "../support/place.ts";
import { applyById, failsWith } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";

const NAME = "before.tar.gz";

describe("a backup", () => {
  it("holds every cache of a library with its hash, and no media", async () => {
    const root = copyLibrary();
    const context = makeContext();
    const made = await invoke(backup, { paths: [root], archive: NAME }, context);
    const [manifest, ...members] = await membersOf(made.archive);
    const names = members.map(({ header }) => header.name.slice(2));
    assert.deepEqual(names.toSorted(), cachesIn(root).toSorted());
    for (const { header, bytes } of members) assert.deepEqual(bytes, readFileSync(join(root, header.name.slice(2))));
    const { files } = JSON.parse(String(manifest?.bytes)) as {
      files: { path: string; mtimeNs: string; mode: number }[];
    };
    for (const { path, mtimeNs, mode } of files) {
      const stats = statSync(join(root, path), { bigint: true });
      assert.equal(mtimeNs, String(stats.mtimeNs));
      assert.equal(mode, Number(stats.mode & 0o777n));
    }
    assert.equal(made.files, names.length);
    assert.equal(made.archiveBytes, statSync(made.archive).size);
    assert.equal(statSync(made.archive).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(dirname(made.archive)), [NAME]);
  });

  it("can be unpacked by tar", async () => {
    const root = copyLibrary();
    const made = await invoke(backup, { paths: [root], archive: NAME }, makeContext());
    const place = makePlace("unpacked");
    execFileSync("tar", ["-xzf", made.archive, "-C", place]);
    for (const cache of cachesIn(root)) {
      assert.deepEqual(readFileSync(join(place, "0", cache)), readFileSync(join(root, cache)));
    }
  });

  it("changes nothing in the library", async () => {
    const root = copyLibrary();
    const before = treeState(root);
    await invoke(backup, { paths: [root], archive: NAME }, makeContext());
    assert.deepEqual(treeState(root), before);
  });

  it("takes every configured library and store when none is named, and says which is which", async () => {
    const [films, series] = [copyLibrary(), copyLibrary("library-legacy")];
    const libraries = [
      { name: "films", roots: [films] },
      { name: "series", roots: [series] },
    ];
    const audit = copyMediaAuditCache();
    const context = makeContext({ config: { libraries, probe: { mediaAudit: [audit] } } });
    new DatabaseSync(join(context.state().directory, "probe.db")).exec("CREATE TABLE t (x TEXT)");
    const made = await invoke(backup, { archive: NAME }, context);
    const [manifest] = await membersOf(made.archive);
    const { roots } = JSON.parse(String(manifest?.bytes)) as { roots: unknown };
    assert.deepEqual(roots, [
      { holds: "directory", path: films, library: "films" },
      { holds: "directory", path: series, library: "series" },
      { holds: "media-audit", path: audit, library: null },
      { holds: "probe-store", path: context.state().directory, library: null },
    ]);
    const pickles = readdirSync(join(audit, "probe")).length + readdirSync(join(audit, "scan")).length;
    assert.equal(made.files, cachesIn(films).length + cachesIn(series).length + pickles + 2);
  });

  it("does not replace anything, and with overwrite only an earlier backup", async () => {
    const root = copyLibrary();
    const context = makeContext();
    const place = makePlace();
    const archive = join(place, NAME);
    const input = { paths: [root], archive };
    await invoke(backup, input, context);
    const first = readFileSync(archive);
    await assert.rejects(invoke(backup, input, context), failsWith("invalid_input", /exists already/));
    assert.deepEqual(readFileSync(archive), first);
    writeFileSync(join(root, cachesIn(root)[0] ?? "", "..", CACHE), "{}");
    await invoke(backup, { ...input, overwrite: true }, context);
    assert.notDeepEqual(readFileSync(archive), first);
    const film = join(place, "film.mkv");
    writeFileSync(film, "a film");
    const over = { ...input, overwrite: true };
    await assert.rejects(
      invoke(backup, { ...over, archive: film }, context),
      failsWith("invalid_input", /film.mkv exists/),
    );
    symlinkSync(archive, join(place, "link"));
    await assert.rejects(
      invoke(backup, { ...over, archive: join(place, "link") }, context),
      failsWith("invalid_input"),
    );
    mkdirSync(join(place, "directory"));
    await assert.rejects(
      invoke(backup, { ...over, archive: join(place, "directory") }, context),
      failsWith("invalid_input"),
    );
    assert.equal(readFileSync(film, "utf8"), "a film");
    assert.deepEqual(readdirSync(place).toSorted(), [NAME, "directory", "film.mkv", "link"].toSorted());
  });

  it("names a cache it cannot take, and is partial; such a one replaces no earlier backup", async () => {
    const root = copyLibrary();
    const [first = "", second = ""] = cachesIn(root);
    const all = cachesIn(root).length;
    const outside = join(makePlace(), CACHE);
    writeFileSync(outside, "{}");
    rmSync(join(root, first));
    symlinkSync(outside, join(root, first));
    rmSync(join(root, second));
    mkdirSync(join(root, second));
    const context = makeContext();
    const made = await invoke(backup, { paths: [root], archive: NAME }, context);
    assert.deepEqual(
      new Map(made.errors.map(({ path, code }) => [path, code])),
      new Map([
        [join(root, first), "link_leads_outside"],
        [join(root, second), "corrupt"],
      ]),
    );
    assert.equal(backup.outcome(made), "partial");
    assert.equal(made.files, all - 2);
    const kept = readFileSync(made.archive);
    await assert.rejects(
      invoke(backup, { paths: [root], archive: NAME, overwrite: true }, context),
      failsWith("blocked", /not backed up/),
    );
    assert.deepEqual(readFileSync(made.archive), kept);
  });

  it("of a library that is not there or empty is refused: it would pass for whole", async () => {
    const empty = makePlace();
    for (const root of [empty, join(empty, "away")]) {
      await assert.rejects(
        invoke(backup, { paths: [copyLibrary(), root], archive: NAME }, makeContext()),
        failsWith("blocked"),
      );
    }
  });

  it("of nothing is refused", async () => {
    const root = makePlace();
    writeFileSync(join(root, "film.mkv"), "");
    await assert.rejects(invoke(backup, { paths: [root], archive: NAME }, makeContext()), failsWith("not_found"));
  });

  it("stops when it is asked to, and leaves nothing", async () => {
    const root = copyLibrary();
    const place = makePlace();
    for (const word of ["looking", "reading", "writing", "verifying"]) {
      for (let index = 0; index < 120; index += 1) makeMovies(join(root, `more ${index}`), ["A.mkv"]);
      const stop = new AbortController();
      const progress = ({ message }: { message: string }) => {
        if (message.startsWith(word)) stop.abort();
      };
      const context = makeContext({ signal: stop.signal, progress });
      await assert.rejects(
        invoke(backup, { paths: [root], archive: join(place, NAME) }, context),
        failsWith("interrupted"),
        word,
      );
      assert.deepEqual(readdirSync(place), [], word);
    }
  });

  it("takes a cache that is rewritten meanwhile as it is in the end", async () => {
    const root = copyLibrary();
    const cache = join(root, cachesIn(root).at(-1) ?? "");
    let writes = 0;
    const context = makeContext({
      progress: ({ message, done }) => {
        if (message !== "writing the backup" || done !== 3 || writes === 2) return;
        writes += 1;
        writeFileSync(cache, `{"written": ${writes}}`);
      },
    });
    const made = await invoke(backup, { paths: [root], archive: NAME }, context);
    assert.equal(writes, 2);
    const members = await membersOf(made.archive);
    assert.equal(String(members.at(-1)?.bytes), '{"written": 2}');
    assert.deepEqual(made.errors, []);
  });

  it("is refused, and leaves nothing, while a cache keeps changing", async () => {
    const root = copyLibrary();
    const cache = join(root, cachesIn(root).at(-1) ?? "");
    const place = makePlace();
    let writes = 0;
    const context = makeContext({
      progress: ({ message, done }) => {
        if (message === "writing the backup" && done === 3) writeFileSync(cache, `{"written": ${(writes += 1)}}`);
      },
    });
    await assert.rejects(
      invoke(backup, { paths: [root], archive: join(place, NAME) }, context),
      failsWith("locked", /keeps changing/),
    );
    assert.ok(writes > 2);
    assert.deepEqual(readdirSync(place), []);
  });

  it("leaves out, and names, a cache that goes away meanwhile", async () => {
    const root = copyLibrary();
    const gone = join(root, cachesIn(root).at(-1) ?? "");
    const context = makeContext({
      progress: ({ message }) => {
        if (message === "writing the backup") rmSync(gone, { force: true });
      },
    });
    const made = await invoke(backup, { paths: [root], archive: NAME }, context);
    assert.deepEqual(
      made.errors.map(({ path, code }) => [path, code]),
      [[gone, "went_away"]],
    );
    assert.equal(made.files, cachesIn(root).length);
  });

  it("takes our own store of probe results as of one moment, while somebody writes to it", async () => {
    const context = makeContext();
    const { directory } = context.state();
    const store = new DatabaseSync(join(directory, "probe.db"));
    store.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (x TEXT); INSERT INTO t VALUES ('a'), ('b')");
    const made = await invoke(backup, { kind: "probe", archive: NAME }, context);
    store.close();
    const [, member] = await membersOf(made.archive);
    const copy = join(makePlace(), "copy.db");
    writeFileSync(copy, member?.bytes ?? "");
    const read = new DatabaseSync(copy, { readOnly: true });
    assert.deepEqual(read.prepare("SELECT count(*) AS rows FROM t").get()?.["rows"], 2);
    read.close();
    assert.deepEqual(
      readdirSync(directory).filter((name) => name.includes("backup-")),
      [],
    );
  });
});

describe("a damaged store of ours", () => {
  it("keeps no library from being backed up, and is named", async () => {
    const root = copyLibrary();
    const libraries = [{ name: "films", roots: [root] }];
    const context = makeContext({ config: { libraries, probe: { mediaAudit: [copyMediaAuditCache()] } } });
    const store = join(context.state().directory, "probe.db");
    writeFileSync(store, "no database".repeat(100));
    const made = await invoke(backup, { archive: NAME }, context);
    assert.deepEqual(
      made.errors.map(({ path }) => path),
      [store],
    );
    assert.equal(backup.outcome(made), "partial");
    assert.ok(made.files > cachesIn(root).length);
  });
});

describe("a caller who is confined to the libraries", () => {
  const confined = (config: object, parts: Partial<Context> = {}) =>
    makeContext({ config: { ...config }, ...parts, bounds: { confined: true } });

  it("backs up and restores libraries only, with archives among the backups only", async () => {
    const [root, other] = [copyLibrary(), copyLibrary()];
    const context = confined({ libraries: [{ name: "films", roots: [root] }] });
    const archives = join(context.state().directory, "backups");
    await assert.rejects(invoke(backup, { paths: [other], archive: NAME }, context), failsWith("forbidden"));
    await assert.rejects(invoke(backup, { kind: "probe", archive: NAME }, context), failsWith("forbidden"));
    for (const archive of [
      join(makePlace(), NAME),
      join(root, NAME),
      `../${NAME}`,
      "..",
      ".",
      ".hidden",
      join(archives, "..", NAME),
      join(archives, "a", NAME),
      `${archives}/.b`,
    ]) {
      await assert.rejects(invoke(backup, { archive }, context), failsWith("forbidden"), archive);
      await assert.rejects(invoke(restore, { archive }, context), failsWith("forbidden"), archive);
    }
    const made = await invoke(backup, { archive: join(archives, NAME) }, context);
    assert.equal(made.archive, join(archives, NAME));
    writeFileSync(join(root, cachesIn(root)[0] ?? ""), "broken");
    const plan = await invoke(restore, { archive: NAME }, context);
    assert.equal((await applyById(context, plan.plan)).status, "complete");
  });

  it("restores nothing of a backup outside the libraries, and not into other directories", async () => {
    const [root, other] = [copyLibrary(), copyLibrary()];
    const free = makeContext();
    await invoke(backup, { paths: [root, other], archive: NAME }, free);
    const context = confined({ libraries: [{ name: "films", roots: [root] }] }, { state: free.state });
    await assert.rejects(invoke(restore, { archive: NAME }, context), failsWith("forbidden"));
    assert.equal((await invoke(restore, { archive: NAME, paths: [root] }, context)).status, "empty");
    await assert.rejects(invoke(restore, { archive: NAME, paths: [root], to: other }, context), failsWith("forbidden"));
  });
});
