import { randomUUID } from "node:crypto";
import type { SQLInputValue, StatementSync } from "node:sqlite";

import type { Context } from "../../context.ts";
import { onDatabase, openDatabase } from "../../database.ts";
import { CacheOpsError } from "../../errors.ts";
import { printable } from "../../printable.ts";
import { transaction } from "../../state.ts";
import { parseDuration } from "../../units.ts";
import { startCandidates } from "./candidates.ts";
import { MANAGED_DATABASE, managedFileOf } from "./database.ts";
import type { Lease, ManagedEntry, ManagedStore } from "./managed-store.ts";
import type { ManagedCache } from "./settings.ts";

type Row = Readonly<Record<string, unknown>>;

/**
 * Opens the register of a cache in the state directory, shared by every process on this host.
 *
 * Throws `corrupt` when the file is damaged or another program's, `unavailable` when it cannot be used or a newer
 * program made it; it stays as it is then.
 */
export async function openEmbeddedStore(
  { name, ttl }: Pick<ManagedCache, "name" | "ttl">,
  context: Pick<Context, "now" | "state" | "stateDirectory">,
): Promise<ManagedStore> {
  const file = managedFileOf(context);
  const database = openDatabase(file, MANAGED_DATABASE);
  const statements = new Map<string, StatementSync>();
  const statement = (sql: string) => {
    const known = statements.get(sql) ?? database.prepare(sql);
    statements.set(sql, known);
    return known;
  };
  const onFile = <T>(work: () => T): T => onDatabase(file, MANAGED_DATABASE, work);
  const get = (sql: string, ...values: readonly SQLInputValue[]) => onFile(() => statement(sql).get(...values));
  const run = (sql: string, ...values: readonly SQLInputValue[]) => Number(statement(sql).run(...values).changes);
  const write = <T>(work: () => T): T => onFile(() => transaction(database, work));

  const ttlMs = ttl === undefined ? undefined : parseDuration(ttl) * 1000;
  const entryOf = (row: Row): ManagedEntry => ({
    path: String(row["path"]),
    bytes: Number(row["bytes"]),
    files: Number(row["files"]),
    registeredAt: Number(row["registered_at"]),
    accessedAt: Number(row["accessed_at"]),
    expiresAt: ttlMs === undefined ? null : Number(row["accessed_at"]) + ttlMs,
    accesses: Number(row["accesses"]),
    isPinned: row["pinned"] !== 0,
    refillSeconds: row["refill_seconds"] === null ? null : Number(row["refill_seconds"]),
  });
  const idOf = () => get("SELECT id FROM caches WHERE name = ?", name)?.["id"];
  if (idOf() === undefined) write(() => run("INSERT INTO caches (name) VALUES (?) ON CONFLICT DO NOTHING", name));
  const cache = Number(idOf());

  return {
    name: "embedded",
    async get(path) {
      const row = get("SELECT * FROM entries WHERE cache = ? AND path = ?", cache, path);
      return row === undefined ? undefined : entryOf(row);
    },
    async register(registrations, at) {
      write(() => {
        for (const { path, bytes, files, refillSeconds = null, accessedAt } of registrations) {
          const accessed = accessedAt === undefined ? null : Math.floor(accessedAt);
          run(REGISTER, cache, path, bytes, files, Math.floor(at), accessed, refillSeconds);
        }
      });
    },
    async touch(path, at) {
      return write(() => {
        const isKnown = run(TOUCH, Math.floor(at), cache, path) > 0;
        run(isKnown ? COUNT_HIT : COUNT_MISS, cache);
        return isKnown;
      });
    },
    async setPinned(path, isPinned) {
      const pinned = isPinned ? 1 : 0;
      return write(() => run("UPDATE entries SET pinned = ? WHERE cache = ? AND path = ?", pinned, cache, path) > 0);
    },
    async forget(paths) {
      return write(() => {
        let known = 0;
        for (const path of paths) known += run("DELETE FROM entries WHERE cache = ? AND path = ?", cache, path);
        return known;
      });
    },
    async list({ offset, limit, newestFirst }) {
      const sql = newestFirst ? NEWEST_FIRST : OLDEST_FIRST;
      return onFile(() => statement(sql).all(cache, limit, offset)).map(entryOf);
    },
    async candidates() {
      return onFile(() => {
        const columns = startCandidates(Number(statement(TOTALS).get(cache)?.["directories"]));
        const page = statement(CANDIDATES);
        page.setReturnArrays(true);
        // One picture of all of them, whoever writes meanwhile.
        database.exec("BEGIN");
        try {
          let rows: readonly CandidateRow[] = [];
          do {
            rows = page.all(cache, rows.at(-1)?.[0] ?? "", PAGE) as unknown as readonly CandidateRow[];
            for (const [path, bytes, registeredAt, accessedAt, accesses, pinned, refillSeconds] of rows) {
              const expiresAt = ttlMs === undefined ? null : accessedAt + ttlMs;
              const isPinned = pinned !== 0;
              columns.add({ path, bytes, registeredAt, accessedAt, expiresAt, accesses, isPinned, refillSeconds });
            }
          } while (rows.length === PAGE);
        } finally {
          database.exec("COMMIT");
        }
        return columns.finish();
      });
    },
    async totals() {
      const row = get(TOTALS, cache) ?? {};
      return {
        directories: Number(row["directories"]),
        bytes: Number(row["bytes"]),
        pinned: Number(row["pinned"]),
        hits: Number(row["hits"]),
        misses: Number(row["misses"]),
        evictions: Number(row["evictions"]),
        reclaimedBytes: Number(row["reclaimed_bytes"]),
      };
    },
    async countEvictions(directories, bytes) {
      write(() => run(COUNT_EVICTIONS, directories, bytes, cache));
    },
    async lease(path, seconds) {
      const token = randomUUID();
      const isTaken = write(() => {
        run("DELETE FROM leases WHERE expires_at <= ?", context.now());
        return run(LEASE, cache, path, token, context.now() + Math.ceil(seconds * 1000)) > 0;
      });
      if (!isTaken) return undefined;
      const lease: Lease = {
        async assertHeld() {
          if (get(HELD, cache, path, token, context.now()) !== undefined) return;
          throw new CacheOpsError("locked", `the lease of "${printable(path)}" was lost`, {
            hint: "The work took longer than the lease lasts, or the clock was changed; try again.",
          });
        },
        async release() {
          write(() => run("DELETE FROM leases WHERE cache = ? AND path = ? AND token = ?", cache, path, token));
        },
      };
      return lease;
    },
    warnings: async () => [],
    close: async () => database.close(),
  };
}

/** Rows as arrays, some thousands at once: one by one, as objects, they take three times as long. */
const CANDIDATES = `SELECT path, bytes, registered_at, accessed_at, accesses, pinned, refill_seconds FROM entries
  WHERE cache = ? AND path > ? ORDER BY path LIMIT ?`;
const PAGE = 5000;
type CandidateRow = readonly [
  path: string,
  bytes: number,
  registeredAt: number,
  accessedAt: number,
  accesses: number,
  pinned: number,
  refillSeconds: number | null,
];

const REGISTER = `INSERT INTO entries (cache, path, bytes, files, registered_at, accessed_at, refill_seconds)
  VALUES (?1, ?2, ?3, ?4, ?5, coalesce(?6, ?5), ?7)
  ON CONFLICT (cache, path) DO UPDATE SET bytes = ?3, files = ?4, refill_seconds = coalesce(?7, refill_seconds),
    accessed_at = max(accessed_at, coalesce(?6, accessed_at))`;

const TOUCH = `UPDATE entries SET accessed_at = max(accessed_at, ?), accesses = accesses + 1
  WHERE cache = ? AND path = ?`;
const COUNT_HIT = "UPDATE caches SET hits = hits + 1 WHERE id = ?";
const COUNT_MISS = "UPDATE caches SET misses = misses + 1 WHERE id = ?";
const COUNT_EVICTIONS =
  "UPDATE caches SET evictions = evictions + ?, reclaimed_bytes = reclaimed_bytes + ? WHERE id = ?";

const OLDEST_FIRST = "SELECT * FROM entries WHERE cache = ? ORDER BY accessed_at, path LIMIT ? OFFSET ?";
const NEWEST_FIRST = "SELECT * FROM entries WHERE cache = ? ORDER BY accessed_at DESC, path DESC LIMIT ? OFFSET ?";

/** As floating point: a sum may be larger than an integer that JavaScript can hold. */
const TOTALS = `SELECT directories, CAST(bytes AS REAL) AS bytes, pinned, hits, misses, evictions,
  CAST(reclaimed_bytes AS REAL) AS reclaimed_bytes FROM caches WHERE id = ?`;

const LEASE = "INSERT INTO leases VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING";
const HELD = "SELECT 1 FROM leases WHERE cache = ? AND path = ? AND token = ? AND expires_at > ?";
