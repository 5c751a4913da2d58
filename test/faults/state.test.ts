import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { statfsSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { env } from "node:process";
import { createInterface } from "node:readline";

import { openState } from "../../shared/index.ts";
import { makeMovies } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { programOf } from "../support/program.ts";
import { treeState } from "../support/tree.ts";
import { mountTmpfs, remountReadOnly, unmountAll } from "./mounts.ts";
import { operate, planCleanup, treeWithoutTimes } from "./scene.ts";

const WRITER = programOf("faults/store-writer");
const ROUNDS = Number(env["CACHE_OPS_FAULT_ROUNDS"] ?? 5) || 50;

describe("the state store", function () {
  this.timeout(600_000);
  after(unmountAll);

  it("takes the transactions of six processes at once, without one being turned away", async () => {
    const directory = makePlace("state");
    const each = ROUNDS * 20;
    const writers = Array.from({ length: 6 }, (_, id) => startWriter(directory, id, each));
    const ends = await Promise.all(writers.map(({ ended }) => ended));
    assert.deepEqual(
      ends,
      ends.map(() => 0),
    );
    const state = openState(directory);
    assert.equal(state.get("SELECT count(*) AS n FROM roots")?.["n"], 6 * each * 2);
    state.close();
  });

  it("holds every transaction that was acknowledged before kill -9, each of them whole", async () => {
    const directory = makePlace("state");
    for (let round = 0; round < ROUNDS; round += 1) {
      const writer = startWriter(directory, round, 100_000);
      await writer.acknowledged(5 + round * 7);
      writer.child.kill("SIGKILL");
      await writer.ended;
      const state = openState(directory);
      const rows = state.all("SELECT path FROM roots WHERE path LIKE ?", `${round}-%`).map(({ path }) => String(path));
      assert.ok(rows.length >= 2 * writer.count(), `${rows.length} rows, ${writer.count()} acknowledged`);
      assert.equal(rows.length % 2, 0);
      assert.equal(state.get("PRAGMA integrity_check")?.["integrity_check"], "ok");
      state.close();
    }
  });

  it("says that the disk is full, keeps what it has, and goes on once there is space", () => {
    const directory = mountTmpfs("1m");
    const state = openState(directory);
    state.write(() => state.run("INSERT INTO roots VALUES ('first', 'x', 'x')"));
    const { bfree, bsize } = statfsSync(directory);
    writeFileSync(join(directory, "ballast"), Buffer.alloc((bfree - 4) * bsize));
    assert.throws(() => state.write(() => state.run("INSERT INTO roots VALUES ('big', ?, 'x')", "x".repeat(100_000))), {
      code: "unavailable",
      message: /disk is full/,
    });
    assert.deepEqual(
      state.all("SELECT path FROM roots").map(({ path }) => path),
      ["first"],
    );
    unlinkSync(join(directory, "ballast"));
    state.write(() => state.run("INSERT INTO roots VALUES ('second', 'x', 'x')"));
    assert.equal(state.all("SELECT path FROM roots").length, 2);
    state.close();
  });

  it("stores nothing of a transaction that throws", () => {
    const state = openState(makePlace("state"));
    const broken = () => {
      state.run("INSERT INTO roots VALUES ('half', 'x', 'x')");
      throw new Error("in the middle");
    };
    assert.throws(() => state.write(broken), /in the middle/);
    assert.equal(state.all("SELECT path FROM roots").length, 0);
    state.close();
  });

  it("of a newer program is refused with what to do, and its file stays as it is", () => {
    const directory = makePlace("state");
    openState(directory).close();
    const file = join(directory, "state.db");
    const database = new DatabaseSync(file);
    database.exec("PRAGMA user_version = 1000");
    database.close();
    const before = treeWithoutTimes(directory);
    const refusal = { code: "unavailable", message: /newer cache-ops/, hint: /CACHE_OPS_STATE_DIR/ };
    assert.throws(() => openState(directory), refusal);
    assert.deepEqual(treeWithoutTimes(directory), before);
  });

  it("that is no database is refused, and its file stays as it is", () => {
    const directory = makePlace("state");
    writeFileSync(join(directory, "state.db"), "no database, but more than a hundred bytes of text ".repeat(100));
    const before = treeState(directory);
    assert.throws(() => openState(directory), { code: "unavailable", message: /not a cache-ops state store/ });
    assert.deepEqual(treeState(directory), before);
  });

  it("in a place that is read-only is unavailable, and says which file", () => {
    const directory = mountTmpfs("1m");
    remountReadOnly(directory);
    assert.throws(() => openState(directory), { code: "unavailable", message: new RegExp(`${directory}/state.db`) });
  });
});

describe("backups", () => {
  const DAY_MS = 86_400_000;

  it("are stored once for files with the same content", async () => {
    const root = makePlace("library");
    const { state, run } = await cleaned(root, ["a", "b", "c"]);
    assert.deepEqual(counts(state), { steps: 3, blobs: 1 });
    assert.equal((await operate(state, "undo", { run }))["restored"], 3);
  });

  it("are given up when they are too old, and undo then says that the time is over", async () => {
    const root = makePlace("library");
    const { state, run } = await cleaned(root, ["a"]);
    await cleaned(root, ["b"], state, { now: () => Date.now() + 15 * DAY_MS });
    await assert.rejects(operate(state, "undo", { run }), { code: "expired_plan" });
    assert.equal(counts(state).blobs, 1);
  });

  it("are given up, the oldest first, when there are too many bytes", async () => {
    const root = makePlace("library");
    const first = await cleaned(root, ["a"], undefined, {}, "First");
    const { state } = first;
    const bytes = backupBytes(state);
    const config = { retention: { maxBytes: Math.floor(bytes * 1.5) } };
    const second = await cleaned(root, ["b"], state, { config }, "Other");
    await assert.rejects(operate(state, "undo", { run: first.run }), { code: "expired_plan" });
    assert.equal((await operate(state, "undo", { run: second.run }))["restored"], 1);
  });

  it("that are kept by another run survive, even when theirs is given up", async () => {
    const root = makePlace("library");
    const { state, run } = await cleaned(root, ["a"]);
    const later = () => Date.now() + 10 * DAY_MS;
    const second = await cleaned(root, ["b"], state, { now: later });
    await cleaned(root, ["c"], state, { now: () => Date.now() + 15 * DAY_MS });
    await assert.rejects(operate(state, "undo", { run }), { code: "expired_plan" });
    assert.equal((await operate(state, "undo", { run: second.run }, { now: later }))["restored"], 1);
  });

  /** Makes directories with the same cache, cleans an entry out of each, and returns the run. */
  async function cleaned(
    root: string,
    names: readonly string[],
    state = makePlace("state"),
    parts: Parameters<typeof operate>[3] = {},
    film = "Film",
  ) {
    for (const name of names) {
      const [gone] = makeMovies(join(root, name), [`${film} 1.mkv`, `${film} 2.mkv`]);
      unlinkSync(gone ?? "");
    }
    const plan = await planCleanup(
      state,
      names.map((name) => join(root, name)),
      parts,
    );
    const report = await operate(state, "apply", { plan }, parts);
    assert.equal(report["status"], "complete");
    return { state, run: String(report["run"]) };
  }
});

function counts(directory: string): { steps: number; blobs: number } {
  const state = openState(directory);
  const number = (table: string) => Number(state.get(`SELECT count(*) AS n FROM ${table}`)?.["n"]);
  const found = { steps: number("steps"), blobs: number("blobs") };
  state.close();
  return found;
}

function backupBytes(directory: string): number {
  const state = openState(directory);
  const bytes = Number(state.get("SELECT sum(length(bytes)) AS n FROM blobs")?.["n"]);
  state.close();
  return bytes;
}

function startWriter(directory: string, id: number, count: number) {
  const child = spawn(process.execPath, [WRITER, directory, String(id), String(count)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const acknowledgements = { seen: 0, wake: (): void => undefined };
  createInterface({ input: child.stdout }).on("line", () => {
    acknowledgements.seen += 1;
    acknowledgements.wake();
  });
  return {
    child,
    ended: once(child, "close").then(([code]) => code as number | null),
    count: () => acknowledgements.seen,
    async acknowledged(number: number): Promise<void> {
      const next = () => new Promise<void>((resolve) => (acknowledgements.wake = resolve));
      for (let left = number - acknowledgements.seen; left > 0; left = number - acknowledgements.seen) await next();
    },
  };
}
