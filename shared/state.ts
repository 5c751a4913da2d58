import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";

import { CacheOpsError, errnoOf, systemError } from "./errors.ts";

/*
 * The state store: plans, runs and their journal, backups, what was last seen of the roots. One SQLite database in
 * the state directory, shared by every process on this host: editor, agent, cron.
 *
 * (S1) WAL with synchronous=FULL: what a committed transaction wrote survives kill -9 and power loss. What was only
 *      noted is not synced: a power cut takes it back, whole, unless a later transaction was committed.
 * (S2) Every writing transaction begins IMMEDIATE and waits; no caller ever sees "database is locked" before
 *      BUSY_SECONDS are over.
 * (S3) A store of a newer program is refused, never touched.
 */

const BUSY_SECONDS = 60;

/** What brings a store from each version to the next; the first one makes it. */
const MIGRATIONS = [
  `
  CREATE TABLE plans (
    id TEXT PRIMARY KEY, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    digest TEXT NOT NULL, body BLOB NOT NULL, run TEXT
  ) STRICT;
  CREATE TABLE runs (
    id TEXT PRIMARY KEY, plan TEXT, undoes TEXT, undone_by TEXT, state TEXT NOT NULL, owner TEXT NOT NULL,
    started_at INTEGER NOT NULL, ended_at INTEGER, work BLOB NOT NULL, report TEXT, forgotten INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX runs_by_time ON runs (started_at);
  CREATE TABLE steps (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, seq INTEGER NOT NULL, file TEXT NOT NULL,
    state TEXT NOT NULL, temp TEXT NOT NULL, before TEXT, after TEXT, attributes TEXT,
    directory_before TEXT, directory_after TEXT, code TEXT, message TEXT,
    PRIMARY KEY (run, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE blobs (
    sha256 TEXT PRIMARY KEY, bytes BLOB NOT NULL, size INTEGER NOT NULL, created_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE roots (path TEXT PRIMARY KEY, passport TEXT NOT NULL, boot TEXT NOT NULL) STRICT, WITHOUT ROWID;
`,
  `
  CREATE TABLE plan_blobs (
    plan TEXT NOT NULL, sha256 TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (plan, sha256)
  ) STRICT, WITHOUT ROWID;
`,
  `
  CREATE TABLE schedules (
    name TEXT PRIMARY KEY, cron TEXT NOT NULL, due_at INTEGER NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0, paused_at INTEGER NOT NULL DEFAULT 0, doing TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE schedule_runs (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER NOT NULL,
    part TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, plan TEXT, run TEXT
  ) STRICT;
  CREATE INDEX schedule_runs_by_name ON schedule_runs (name, id);
  CREATE TABLE scheduler (
    id INTEGER PRIMARY KEY CHECK (id = 1), owner TEXT NOT NULL, since INTEGER NOT NULL,
    seen_at INTEGER NOT NULL, cluster TEXT
  ) STRICT;
`,
  `
  CREATE TABLE container_caches (
    engine TEXT NOT NULL, container TEXT NOT NULL, path TEXT NOT NULL, cleaned_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL, cleanups INTEGER NOT NULL, freed INTEGER NOT NULL, PRIMARY KEY (engine, container, path)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE container_cleanups (
    id INTEGER PRIMARY KEY, engine TEXT NOT NULL, container TEXT NOT NULL, path TEXT NOT NULL, at INTEGER NOT NULL,
    before INTEGER NOT NULL, after INTEGER, outcome TEXT NOT NULL
  ) STRICT;
  CREATE INDEX container_cleanups_by_cache ON container_cleanups (engine, container, path, id);
  CREATE TABLE idle_memories (
    engine TEXT NOT NULL, container TEXT NOT NULL, looked_at INTEGER NOT NULL, quiet_since INTEGER,
    PRIMARY KEY (engine, container)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE jellyfin_offers (
    server_id TEXT NOT NULL, section TEXT NOT NULL, categories INTEGER NOT NULL, items INTEGER NOT NULL,
    seen_at INTEGER NOT NULL, PRIMARY KEY (server_id, section)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE jellyfin_steps (
    id INTEGER PRIMARY KEY, server TEXT NOT NULL, does TEXT NOT NULL, what TEXT NOT NULL, at INTEGER NOT NULL,
    status TEXT NOT NULL, outcome TEXT NOT NULL
  ) STRICT;
  CREATE INDEX jellyfin_steps_by_server ON jellyfin_steps (server, does, what, id);
`,
  `
  CREATE TABLE remembered (
    root TEXT PRIMARY KEY, format INTEGER NOT NULL, paths BLOB NOT NULL, notes BLOB NOT NULL
  ) STRICT;
`,
] as const;

const VERSION = MIGRATIONS.length;

/** A value SQLite can hold. */
type Value = null | number | bigint | string | Uint8Array;

/** The open store. */
export interface State {
  /** The directory that holds it; also the place for anything else that must not lie in a library. */
  readonly directory: string;
  all(sql: string, ...values: readonly Value[]): readonly Readonly<Record<string, unknown>>[];
  get(sql: string, ...values: readonly Value[]): Readonly<Record<string, unknown>> | undefined;
  /** Runs one statement and returns how many rows it changed. Only inside {@link State.write}. */
  run(sql: string, ...values: readonly Value[]): number;
  /** Runs `work` in one transaction: all of it is stored durably, or nothing. Throws `unavailable` on a full disk. */
  write<T>(work: () => T): T;
  /** {@link State.write} without waiting for the disk, for what can be made again: a power cut may take it back. */
  note<T>(work: () => T): T;
  /** Brings what is in the log to the database and lets go of both. Whoever ends without it leaves that to the next. */
  close(): void;
}

/** Opens the store in `directory`, making both when missing (directory mode 0700). */
export function openState(directory: string): State {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw systemError(error, `cannot make the state directory ${directory}`);
  }
  const path = join(directory, "state.db");
  const database = guarded(path, () => {
    const opened = new DatabaseSync(path, { timeout: BUSY_SECONDS * 1000 });
    try {
      prepare(opened, path);
      return opened;
    } catch (error) {
      opened.close();
      throw error;
    }
  });
  const statements = new Map<string, StatementSync>();
  const statement = (sql: string) => {
    const known = statements.get(sql) ?? database.prepare(sql);
    statements.set(sql, known);
    return known;
  };
  return {
    directory,
    all: (sql, ...values) => guarded(path, () => statement(sql).all(...values)),
    get: (sql, ...values) => guarded(path, () => statement(sql).get(...values)),
    run: (sql, ...values) => guarded(path, () => Number(statement(sql).run(...values).changes)),
    write: (work) => guarded(path, () => transaction(database, work)),
    note: (work) =>
      guarded(path, () => {
        database.exec("PRAGMA synchronous = NORMAL");
        try {
          return transaction(database, work);
        } finally {
          database.exec("PRAGMA synchronous = FULL");
        }
      }),
    close: () => database.close(),
  };
}

function prepare(database: DatabaseSync, path: string): void {
  untilFree(() => {
    const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
    if (version > VERSION) {
      throw new CacheOpsError("unavailable", `${path} was written by a newer cache-ops (store version ${version})`, {
        hint: `This program knows versions up to ${VERSION}: update it, or set CACHE_OPS_STATE_DIR to another directory.`,
      });
    }
    // The size of pages and the way of freeing them must be set before anything is in the store.
    if (version === 0) database.exec("PRAGMA auto_vacuum = INCREMENTAL");
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
    database.exec("PRAGMA temp_store = MEMORY");
    if (version === VERSION) return;
    transaction(database, () => {
      const current = Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
      if (current < VERSION) database.exec(`${MIGRATIONS.slice(current).join("")}; PRAGMA user_version = ${VERSION}`);
    });
  });
}

/** Runs `work` between BEGIN IMMEDIATE and COMMIT: all of it, or nothing. Waits until the database is free. */
export function transaction<T>(database: DatabaseSync, work: () => T): T {
  untilFree(() => database.exec("BEGIN IMMEDIATE"));
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

/**
 * Repeats `work` while the database is busy, for at most a minute. SQLite's own waiting does not cover the moments
 * when a log is recovered or the journal mode changes.
 */
export function untilFree(work: () => void): void {
  const deadline = performance.now() + BUSY_SECONDS * 1000;
  for (;;) {
    try {
      work();
      return;
    } catch (error) {
      if (!isBusy(error) || performance.now() >= deadline) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10 + Math.random() * 40);
    }
  }
}

function isBusy(error: unknown): boolean {
  const number = sqliteNumber(error);
  return number !== undefined && ((number & 0xff) === 5 || (number & 0xff) === 6);
}

/** The result code of SQLite, with its extension, or `undefined` when the error is none of SQLite. */
export function sqliteNumber(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode : undefined;
}

const DISK_FULL = [
  "cannot grow: the disk is full",
  "Free some space. Nothing was changed that is not in the journal.",
] as const;

/** To SQLite a disk that fails to read (EIO) is damage, too. */
export const DISK_FIRST =
  "Check the disk first (dmesg, smartctl) and try again: where it fails to read, this is said as well. If it stays:";

const ADVICE: Readonly<Record<number, readonly [message: string, hint: string]>> = {
  5: ["is in use by another process", "Another cache-ops is writing for a long time; try again."],
  8: ["cannot be written", "Give this user write access to it, or set CACHE_OPS_STATE_DIR."],
  10: ["cannot be read or written: disk error", "Check the disk (dmesg, smartctl)."],
  11: ["is damaged", `${DISK_FIRST} Move it away; plans, history and undo up to now are lost with it. No cache is.`],
  13: DISK_FULL,
  14: ["cannot be opened", "Check that the directory exists and is writable, or set CACHE_OPS_STATE_DIR."],
  26: ["is not a cache-ops state store", "Move it away, or set CACHE_OPS_STATE_DIR to another directory."],
  // SQLITE_IOERR_SHMSIZE: there is no room for the index of the log.
  4874: DISK_FULL,
};

/** Runs `work` on the database file `path`; an error of SQLite becomes `unavailable` with advice. */
export function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const number = sqliteNumber(error);
    if (number === undefined || errnoOf(error) !== "ERR_SQLITE_ERROR") throw error;
    const [message, hint] = ADVICE[number] ?? ADVICE[number & 0xff] ?? ["failed", "See the cause below."];
    throw new CacheOpsError("unavailable", `${path} ${message}`, { hint, cause: error });
  }
}
