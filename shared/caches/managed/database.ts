import { join } from "node:path";

import type { Context } from "../../context.ts";
import type { DatabaseKind } from "../../database.ts";

/*
 * Bytes, directories and pins of a cache are kept by triggers, in the transaction that changes an entry: they are its
 * sums at any moment, also after kill -9.
 */
const STEPS = [
  `CREATE TABLE caches (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    directories INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0, pinned INTEGER NOT NULL DEFAULT 0,
    hits INTEGER NOT NULL DEFAULT 0, misses INTEGER NOT NULL DEFAULT 0,
    evictions INTEGER NOT NULL DEFAULT 0, reclaimed_bytes INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE entries (
    cache INTEGER NOT NULL, path TEXT NOT NULL, bytes INTEGER NOT NULL, files INTEGER NOT NULL,
    registered_at INTEGER NOT NULL, accessed_at INTEGER NOT NULL, accesses INTEGER NOT NULL DEFAULT 0,
    pinned INTEGER NOT NULL DEFAULT 0, refill_seconds REAL,
    PRIMARY KEY (cache, path)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX entries_by_access ON entries (cache, accessed_at);
  CREATE TABLE leases (
    cache INTEGER NOT NULL, path TEXT NOT NULL, token TEXT NOT NULL, expires_at INTEGER NOT NULL,
    PRIMARY KEY (cache, path)
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER entry_added AFTER INSERT ON entries BEGIN
    UPDATE caches SET directories = directories + 1, bytes = bytes + new.bytes, pinned = pinned + new.pinned
    WHERE id = new.cache;
  END;
  CREATE TRIGGER entry_changed AFTER UPDATE OF bytes, pinned ON entries
  WHEN new.bytes <> old.bytes OR new.pinned <> old.pinned BEGIN
    UPDATE caches SET bytes = bytes + new.bytes - old.bytes, pinned = pinned + new.pinned - old.pinned
    WHERE id = new.cache;
  END;
  CREATE TRIGGER entry_removed AFTER DELETE ON entries BEGIN
    UPDATE caches SET directories = directories - 1, bytes = bytes - old.bytes, pinned = pinned - old.pinned
    WHERE id = old.cache;
  END`,
  // Times in milliseconds since 1970. A cache's register may be elsewhere, so it stands here by its name.
  `CREATE TABLE packs (
    target TEXT PRIMARY KEY, cache TEXT NOT NULL, path TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL,
    tree TEXT NOT NULL, bytes INTEGER NOT NULL, names INTEGER NOT NULL,
    packed_at INTEGER NOT NULL, warmed_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX packs_by_path ON packs (cache, path, packed_at)`,
] as const;

/** The file with the registers of all managed caches of this host. */
export const MANAGED_DATABASE: DatabaseKind = {
  name: "register of managed directories",
  // `CaOm`
  applicationId: 0x43_61_4f_6d,
  steps: STEPS,
  damageHint:
    "Move it and its -wal and -shm away: the directories are found again on the disk; pins, uses and counters are lost. Packs stay where they are, and the manifest.json in each says whose it is.",
};

/** Where that file is, whether it is there or not. */
export function managedFileOf({ stateDirectory, state }: Pick<Context, "stateDirectory" | "state">): string {
  return join(stateDirectory ?? state().directory, "managed.db");
}
