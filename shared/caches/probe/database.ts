import { existsSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";

import type { Context } from "../../context.ts";
import { onDatabase, openDatabase, type DatabaseKind } from "../../database.ts";

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

/** What a damaged file needs; said wherever one is met. */
export const DAMAGE_HINT =
  "`cache-ops invalidate --damaged` moves it aside and starts a new one with every row that can be read.";

const KIND: DatabaseKind = {
  name: "probe cache",
  // `CaOp`
  applicationId: 0x43_61_4f_70,
  steps: STEPS,
  damageHint: DAMAGE_HINT,
};

/** The file of the probe cache, whether it is there or not. */
export function probeFileOf({ stateDirectory, state }: Pick<Context, "stateDirectory" | "state">): string {
  return join(stateDirectory ?? state().directory, "probe.db");
}

/** Opens the file of the probe cache. Throws as {@link openDatabase} does. */
export function openProbeDatabase(file: string): DatabaseSync {
  return openDatabase(file, KIND);
}

/** Runs `work` on the file; throws as {@link onDatabase} does. */
export function onProbeFile<T>(file: string, work: () => T): T {
  return onDatabase(file, KIND, work);
}

/** Whether there is a probe cache at all. */
export function hasProbeFile(context: Pick<Context, "stateDirectory" | "state">): boolean {
  return existsSync(probeFileOf(context));
}
