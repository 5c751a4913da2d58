import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import type { Context } from "../../context.ts";
import { CacheOpsError, systemError } from "../../errors.ts";
import { guarded, sqliteNumber, transaction, untilFree } from "../../state.ts";

/*
 * The file of the probe cache. WAL with synchronous=NORMAL: what a committed transaction wrote survives kill -9; a
 * power cut may cost the last moments, never the file.
 */

/** `CaOp`: tells our file from another program's. */
const APPLICATION_ID = 0x43_61_4f_70;
const BUSY_MS = 60_000;

/** From an empty file on, what makes each version of the structure out of the one before. Rows are kept by every step. */
const STEPS = [
  `CREATE TABLE entries (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, mtime_ns TEXT NOT NULL,
    state TEXT NOT NULL, data BLOB NOT NULL, schema TEXT NOT NULL, origin TEXT NOT NULL,
    cached_at INTEGER NOT NULL, used_at INTEGER NOT NULL, hits INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL GENERATED ALWAYS AS (length(data)) VIRTUAL
  ) STRICT;
  CREATE INDEX entries_by_use ON entries (used_at, id);
  CREATE INDEX entries_by_age ON entries (cached_at, state, origin, bytes);
  CREATE TABLE directories (
    path TEXT PRIMARY KEY, digest TEXT NOT NULL, data BLOB NOT NULL, schema TEXT NOT NULL, cached_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE totals (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO totals VALUES
    ('hits', 0), ('misses', 0), ('probes', 0), ('failures', 0), ('entries', 0), ('bytes', 0), ('generation', 0);
  CREATE TABLE days (
    day TEXT PRIMARY KEY, hits INTEGER NOT NULL, misses INTEGER NOT NULL, probes INTEGER NOT NULL,
    failures INTEGER NOT NULL, entries INTEGER NOT NULL, bytes INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER entry_added AFTER INSERT ON entries BEGIN
    UPDATE totals SET value = value + 1 WHERE name = 'entries';
    UPDATE totals SET value = value + length(new.data) WHERE name = 'bytes';
  END;
  CREATE TRIGGER entry_changed AFTER UPDATE OF data ON entries BEGIN
    UPDATE totals SET value = value + length(new.data) - length(old.data) WHERE name = 'bytes';
  END;
  CREATE TRIGGER entry_removed AFTER DELETE ON entries BEGIN
    UPDATE totals SET value = value - 1 WHERE name = 'entries';
    UPDATE totals SET value = value - length(old.data) WHERE name = 'bytes';
  END`,
] as const;

/** The file of the probe cache, whether it is there or not. */
export function probeFileOf({ stateDirectory, state }: Pick<Context, "stateDirectory" | "state">): string {
  return join(stateDirectory ?? state().directory, "probe.db");
}

/** What a damaged file needs; said wherever one is met. */
export const DAMAGE_HINT =
  "`cache-ops invalidate --damaged` moves it aside and starts a new one with every row that can be read.";

/**
 * Opens the file of the probe cache, made when missing (its directory with mode 0700), and brings its structure up to
 * date. Throws `corrupt` when it is damaged or another program's, `unavailable` when a newer program made it; such a
 * file stays as it is.
 */
export function openProbeDatabase(file: string): DatabaseSync {
  const directory = join(file, "..");
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw systemError(error, `cannot make the state directory ${directory}`);
  }
  return onProbeFile(file, () => {
    const database = new DatabaseSync(file, { timeout: BUSY_MS });
    try {
      prepare(database, file);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

/** Runs `work` on the file; damage that SQLite meets becomes `corrupt` with what to do, its other errors `unavailable`. */
export function onProbeFile<T>(file: string, work: () => T): T {
  return guarded(file, () => {
    try {
      return work();
    } catch (error) {
      const number = sqliteNumber(error);
      if (number === undefined || ![11, 26].includes(number & 0xff)) throw error;
      const what = (number & 0xff) === 11 ? "is damaged" : "is no probe cache";
      throw new CacheOpsError("corrupt", `${file} ${what}`, { hint: DAMAGE_HINT, cause: error });
    }
  });
}

/** Whether there is a probe cache at all. */
export function hasProbeFile(context: Pick<Context, "stateDirectory" | "state">): boolean {
  return existsSync(probeFileOf(context));
}

const IDENTITY = `SELECT (SELECT count(*) FROM sqlite_master) AS tables, application_id AS application,
  user_version AS version FROM pragma_application_id, pragma_user_version`;

function prepare(database: DatabaseSync, file: string): void {
  untilFree(() => {
    const { tables, application, version } = identityOf(database);
    if (application !== APPLICATION_ID && (application !== 0 || version !== 0 || tables !== 0)) {
      throw new CacheOpsError("corrupt", `${file} is another program's database`, { hint: DAMAGE_HINT });
    }
    if (version > STEPS.length) {
      throw new CacheOpsError("unavailable", `${file} was written by a newer cache-ops (version ${version})`, {
        hint: `This program knows versions up to ${STEPS.length}: update it, or set CACHE_OPS_STATE_DIR to another directory.`,
      });
    }
    // So that the file shrinks when much was forgotten; must be set before anything is in it.
    if (tables === 0) database.exec("PRAGMA auto_vacuum = INCREMENTAL");
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY");
    if (version === STEPS.length) return;
    transaction(database, () => {
      const steps = STEPS.slice(identityOf(database).version);
      for (const step of steps) database.exec(step);
      database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${STEPS.length}`);
    });
  });
}

function identityOf(database: DatabaseSync): { tables: number; application: number; version: number } {
  const { tables, application, version } = database.prepare(IDENTITY).get() ?? {};
  return { tables: Number(tables), application: Number(application), version: Number(version) };
}
