import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { CacheOpsError, systemError } from "./errors.ts";
import { DISK_FIRST, guarded, sqliteNumber, transaction, untilFree } from "./state.ts";

/*
 * The SQLite files beside the state store: what is in them can be made again, so they are WAL with synchronous=NORMAL.
 * What a committed transaction wrote survives kill -9; a power cut may cost the last moments, never the file.
 */

/** What makes a file ours. */
export interface DatabaseKind {
  /** `probe cache`, for messages. */
  readonly name: string;
  /** Tells our file from another program's. */
  readonly applicationId: number;
  /** From an empty file on, what makes each version of the structure out of the one before. Rows are kept by every step. */
  readonly steps: readonly string[];
  /** What to do about a damaged file. */
  readonly damageHint: string;
}

const BUSY_MS = 60_000;

/**
 * Opens a file, made when missing (its directory with mode 0700), and brings its structure up to date. Throws
 * `corrupt` when it is damaged or another program's, `unavailable` when a newer program made it; such a file stays as
 * it is.
 */
export function openDatabase(file: string, kind: DatabaseKind): DatabaseSync {
  const directory = dirname(file);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw systemError(error, `cannot make the state directory ${directory}`);
  }
  return onDatabase(file, kind, () => {
    const database = new DatabaseSync(file, { timeout: BUSY_MS });
    try {
      prepare(database, file, kind);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

/** Runs `work` on the file; damage that SQLite meets becomes `corrupt` with what to do, its other errors `unavailable`. */
export function onDatabase<T>(file: string, { name, damageHint }: DatabaseKind, work: () => T): T {
  return guarded(file, () => {
    try {
      return work();
    } catch (error) {
      const number = sqliteNumber(error);
      if (number === undefined || ![11, 26].includes(number & 0xff)) throw error;
      const what = (number & 0xff) === 11 ? "is damaged" : `is no ${name}`;
      const hint = (number & 0xff) === 11 ? `${DISK_FIRST} ${damageHint}` : damageHint;
      throw new CacheOpsError("corrupt", `${file} ${what}`, { hint, cause: error });
    }
  });
}

const IDENTITY = `SELECT (SELECT count(*) FROM sqlite_master) AS tables, application_id AS application,
  user_version AS version FROM pragma_application_id, pragma_user_version`;

function prepare(database: DatabaseSync, file: string, { applicationId, steps, damageHint }: DatabaseKind): void {
  untilFree(() => {
    const { tables, application, version } = identityOf(database);
    if (application !== applicationId && (application !== 0 || version !== 0 || tables !== 0)) {
      throw new CacheOpsError("corrupt", `${file} is another program's database`, { hint: damageHint });
    }
    if (version > steps.length) {
      throw new CacheOpsError("unavailable", `${file} was written by a newer cache-ops (version ${version})`, {
        hint: `This program knows versions up to ${steps.length}: update it, or set CACHE_OPS_STATE_DIR to another directory.`,
      });
    }
    // So that the file shrinks when much was forgotten; must be set before anything is in it.
    if (tables === 0) database.exec("PRAGMA auto_vacuum = INCREMENTAL");
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY");
    if (version === steps.length) return;
    transaction(database, () => {
      for (const step of steps.slice(identityOf(database).version)) database.exec(step);
      database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${steps.length}`);
    });
  });
}

function identityOf(database: DatabaseSync): { tables: number; application: number; version: number } {
  const { tables, application, version } = database.prepare(IDENTITY).get() ?? {};
  return { tables: Number(tables), application: Number(application), version: Number(version) };
}
