import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";
import { DatabaseSync } from "node:sqlite";

import { invoke, type CacheOpsError, type Context } from "../../shared/index.ts";
import { LIMITS } from "../../shared/archive/manifest.ts";
import { backup } from "../../shared/operations/backup.ts";
import { restore } from "../../shared/operations/restore.ts";
import { mountTmpfs, unmountAll } from "../faults/mounts.ts";
import { cliEnvironment, PROGRAM } from "../support/cli.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, makeMovies } from "../support/library.ts";
import { METER } from "../support/peak.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { failsWith } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";

const NAME = "all.tar.gz";

/** A store of so many rows of a megabyte each; every 32nd is noise, so that the archive is no suspicious one. */
function writeStore(state: string, rows: number): void {
  const store = new DatabaseSync(join(state, "probe.db"));
  store.exec(`CREATE TABLE t (x BLOB);
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
    INSERT INTO t SELECT CASE WHEN i % 32 = 0 THEN randomblob(1000000) ELSE zeroblob(1000000) END FROM n`);
  store.close();
}

function rowsIn(state: string): number {
  const store = new DatabaseSync(join(state, "probe.db"), { readOnly: true });
  const { rows } = store.prepare("SELECT count(*) AS rows FROM t").get() ?? {};
  store.close();
  return Number(rows);
}

/** Backs up everything in a process of its own; the megabytes it took at most. */
function backUp(state: string, root: string): number {
  const config = join(state, "config.json");
  writeFileSync(config, JSON.stringify({ libraries: [{ name: "films", roots: [root] }], probe: { mediaAudit: [] } }));
  const words = ["--import", METER, PROGRAM, "backup", "--archive", NAME, "--json"];
  const { status, stderr } = spawnSync(execPath, words, { env: cliEnvironment(state, config), encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return Number(/PEAK (\d+)/.exec(stderr)?.[1]) / 1024;
}

describe("a store of ours that is larger than a plan takes", function () {
  this.timeout(120_000);
  const ROWS = 136;
  let state: string;
  let root: string;
  let context: Context;
  let archive: string;
  let peak: number;

  before(() => {
    // A quote in the path: the command that is given must be right all the same.
    [state, root] = [makeDirectory(makePlace("state"), "it's here"), makePlace("library")];
    makeMovies(join(root, "film"), ["A.mkv"]);
    writeStore(state, ROWS);
    assert.ok(statSync(join(state, "probe.db")).size > LIMITS.fileBytes);
    peak = backUp(state, root);
    archive = join(state, "backups", NAME);
    // Its plans lie elsewhere, so that nothing but a restore would touch this directory.
    context = makeContext({ stateDirectory: state });
  });

  it("is backed up in about the memory that a small one needs", () => {
    const small = makePlace("state");
    writeStore(small, 1);
    const least = backUp(small, root);
    assert.ok(peak < least + 100, `${peak.toFixed(0)} MB, ${least.toFixed(0)} MB for a small one`);
  });

  it("leaves nothing when its backup is stopped, or the disk is full, while it is written", async () => {
    const before = readdirSync(state);
    const disk = mountTmpfs("1m");
    try {
      const full = invoke(backup, { kind: "probe", archive: join(disk, NAME) }, context);
      await assert.rejects(full, failsWith("unavailable", /ENOSPC/));
      assert.deepEqual(readdirSync(disk), []);
    } finally {
      unmountAll();
    }
    const place = makePlace();
    const stop = new AbortController();
    const progress = ({ message }: { message: string }) => message.startsWith("writing") && stop.abort();
    const stopped = { ...context, signal: stop.signal, progress };
    const input = { kind: "probe", archive: join(place, NAME) } as const;
    await assert.rejects(invoke(backup, input, stopped), failsWith("interrupted"));
    assert.deepEqual(readdirSync(place), []);
    assert.deepEqual(readdirSync(state), before);
  });

  it("is found as it was when nothing was added since", async () => {
    const plan = await invoke(restore, { archive }, context);
    assert.deepEqual([plan.status, plan.errors], ["empty", []]);
  });

  it("is refused when it differs, with the command that puts it back; the rest can be restored without it", async () => {
    const cache = join(root, "film", CACHE);
    const original = readFileSync(cache);
    for (const damage of ["fewer rows", "no database", "gone"]) {
      if (damage === "fewer rows") {
        const store = new DatabaseSync(join(state, "probe.db"));
        store.exec("DELETE FROM t WHERE rowid > 3; VACUUM");
        store.close();
      } else rmSync(join(state, "probe.db"));
      if (damage === "no database") writeFileSync(join(state, "probe.db"), damage.repeat(100));
      writeFileSync(cache, "damaged");
      const files = () => [...treeState(root), ...treeState(state).slice(1)];
      const before = files();
      const error = await refusalOf(archive, context);
      const rest = await invoke(restore, { archive, exclude: ["probe.db"], detail: "full" }, context);
      assert.deepEqual(files(), before);
      assert.deepEqual(
        rest.changes?.map((change) => change.cache),
        [cache],
      );
      rmSync(join(state, "probe.db"), { force: true });
      execFileSync("sh", ["-c", / run: (tar .*)$/.exec(error.hint ?? "")?.[1] ?? ""]);
      assert.equal(rowsIn(state), ROWS);
      writeFileSync(cache, original);
    }
  });

  it("is not replaced by a small one either: the journal could not hold it", async () => {
    const small = makePlace("state");
    writeStore(small, 1);
    backUp(small, root);
    await refusalOf(join(small, "backups", NAME), context);
    assert.equal(rowsIn(state), ROWS);
  });

  it("is refused whole when a byte of its archive is another", async () => {
    const altered = join(makePlace(), NAME);
    const bytes = readFileSync(archive);
    // All bits of it: single ones may mean nothing, between two blocks.
    bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 0xff, bytes.length >> 1);
    writeFileSync(altered, bytes);
    await assert.rejects(invoke(restore, { archive: altered }, context), failsWith("corrupt"));
  });
});

/** The refusal of a restore because of the size of the store; no plan is stored. */
async function refusalOf(archive: string, context: Context): Promise<CacheOpsError> {
  const plans = () => context.state().get("SELECT count(*) AS plans FROM plans")?.["plans"];
  const before = plans();
  try {
    await invoke(restore, { archive }, context);
  } catch (error) {
    assert.ok(failsWith("blocked", /probe\.db is larger than a plan takes/)(error));
    assert.equal(plans(), before);
    return error as CacheOpsError;
  }
  assert.fail("it was planned");
}
