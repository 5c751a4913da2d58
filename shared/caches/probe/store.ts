import { dirname } from "node:path";
import type { SQLInputValue, StatementSync } from "node:sqlite";

import type { Context } from "../../context.ts";
import { transaction } from "../../state.ts";
import { onProbeFile, openProbeDatabase } from "./database.ts";
import type { CachedProbe, MediaState } from "./probe-cache.ts";
import { pack, SCHEMA_VERSION, unpackFiles, unpackResult, type StoredFile } from "./stored.ts";

/** A row of the store, valid or not: what it holds and what it is bound to. */
export interface StoredEntry extends CachedProbe, MediaState {
  /** Bytes it takes in the store. */
  readonly bytes: number;
}

const COUNTERS = ["hits", "misses", "probes", "failures"] as const;

/** What is counted over all processes and times. */
type Counter = (typeof COUNTERS)[number];

/** The embedded store of the probe cache, shared by every process on this host. */
export interface ProbeStore {
  readonly file: string;
  /**
   * What is stored for a path. A row of an earlier schema is brought to today's; one that cannot be read, or does not
   * fit, is passed over and kept.
   */
  find(path: string): StoredEntry | undefined;
  /**
   * Stores a result. When it returns, the row survives kill -9. Over the limit, the least recently used rows go.
   * `false`: nothing was stored, because a partial result never takes the place of what ffprobe said of the same file.
   */
  put(path: string, entry: Omit<StoredEntry, "bytes">): boolean;
  /** Notes that a row was used. */
  touch(path: string): void;
  /** Counts; stored with the next write, or when the store is closed. */
  count(counter: Counter): void;
  /** The files of a directory whose tree has this digest, and when the oldest of them was probed. */
  findDirectory(path: string, digest: string): readonly StoredFile[] | undefined;
  putDirectory(path: string, digest: string, files: readonly StoredFile[]): void;
  /** Changes whenever something was forgotten on purpose, by any process. */
  generation(): number;
  all(sql: string, ...values: readonly SQLInputValue[]): readonly Readonly<Record<string, unknown>>[];
  /** Runs `work` in one transaction; `run` in it returns how many rows a statement changed. */
  write<T>(work: (run: (sql: string, ...values: readonly SQLInputValue[]) => number) => T): T;
  close(): void;
}

/** Most directories whose files are remembered together. */
const MAX_DIRECTORIES = 1000;
/** Uses noted in memory before they are stored. */
const MAX_PENDING = 1000;

/** Opens the store. Throws as {@link openProbeDatabase} does. */
export function openProbeStore(
  file: string,
  { now, configuration }: Pick<Context, "now" | "configuration">,
): ProbeStore {
  const database = openProbeDatabase(file);
  const statements = new Map<string, StatementSync>();
  const statement = (sql: string) => {
    const known = statements.get(sql) ?? database.prepare(sql);
    statements.set(sql, known);
    return known;
  };
  const run = (sql: string, ...values: readonly SQLInputValue[]) => Number(statement(sql).run(...values).changes);
  const get = (sql: string, ...values: readonly SQLInputValue[]) =>
    onProbeFile(file, () => statement(sql).get(...values));
  const pending = { uses: new Map<string, { hits: number; at: number }>(), counts: new Map<Counter, number>() };
  const settleUses = () => {
    for (const [path, { hits, at }] of pending.uses) {
      run("UPDATE entries SET hits = hits + ?, used_at = max(used_at, ?) WHERE path = ?", hits, at, path);
    }
  };
  const settleCounts = () => {
    const counted = COUNTERS.map((counter) => pending.counts.get(counter) ?? 0);
    for (const [counter, number] of pending.counts) {
      run("UPDATE totals SET value = value + ? WHERE name = ?", number, counter);
    }
    run(DAY, new Date(now()).toISOString().slice(0, 10), ...counted);
  };
  const write = <T>(work: () => T): T => {
    const result = onProbeFile(file, () =>
      transaction(database, () => {
        settleUses();
        const done = work();
        settleCounts();
        return done;
      }),
    );
    pending.uses.clear();
    pending.counts.clear();
    return result;
  };
  const count = (counter: Counter) => void pending.counts.set(counter, (pending.counts.get(counter) ?? 0) + 1);
  return {
    file,
    find(path) {
      const row = get("SELECT size, mtime_ns, data, schema, origin, cached_at FROM entries WHERE path = ?", path);
      if (row === undefined || !(row["data"] instanceof Uint8Array)) return undefined;
      const result = unpackResult(row["data"], String(row["schema"]));
      if (result === undefined) return undefined;
      if (row["schema"] !== SCHEMA_VERSION) {
        const { data, schema } = row;
        write(() => run(MIGRATE, pack(result), result.state, SCHEMA_VERSION, path, data, String(schema)));
      }
      return {
        size: BigInt(String(row["size"])),
        mtimeNs: BigInt(String(row["mtime_ns"])),
        result,
        at: Number(row["cached_at"]),
        origin: String(row["origin"]),
        bytes: row["data"].length,
      };
    },
    put(path, { size, mtimeNs, result, at, origin }) {
      const data = pack(result);
      return write(() => {
        const stored = run(PUT, path, size, String(mtimeNs), result.state, data, SCHEMA_VERSION, origin, at, now());
        if (stored === 0) return false;
        run("DELETE FROM directories WHERE path IN (SELECT value FROM json_each(?))", JSON.stringify(above(path)));
        run(EVICT, configuration.probe.maxEntries);
        return true;
      });
    },
    touch(path) {
      const hits = (pending.uses.get(path)?.hits ?? 0) + 1;
      pending.uses.set(path, { hits, at: now() });
      if (pending.uses.size >= MAX_PENDING) write(() => undefined);
    },
    count,
    findDirectory(path, digest) {
      const row = get("SELECT data, schema FROM directories WHERE path = ? AND digest = ?", path, digest);
      return row?.["data"] instanceof Uint8Array ? unpackFiles(row["data"], String(row["schema"])) : undefined;
    },
    putDirectory(path, digest, files) {
      const data = pack(files);
      write(() => {
        run("INSERT OR REPLACE INTO directories VALUES (?, ?, ?, ?, ?)", path, digest, data, SCHEMA_VERSION, now());
        run(EVICT_DIRECTORIES, MAX_DIRECTORIES);
      });
    },
    generation: () => Number(get("SELECT value FROM totals WHERE name = 'generation'")?.["value"]),
    all: (sql, ...values) => onProbeFile(file, () => database.prepare(sql).all(...values)),
    write: (work) => write(() => work(run)),
    close() {
      try {
        if (pending.uses.size > 0 || pending.counts.size > 0) write(() => undefined);
      } finally {
        database.close();
      }
    },
  };
}

/** The directories a file lies in, the nearest first. */
function above(path: string): string[] {
  const directories: string[] = [];
  for (let at = dirname(path); at !== directories.at(-1); at = dirname(at)) directories.push(at);
  return directories;
}

const PUT = `INSERT INTO entries (path, size, mtime_ns, state, data, schema, origin, cached_at, used_at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (path) DO UPDATE SET size = excluded.size, mtime_ns = excluded.mtime_ns, state = excluded.state,
    data = excluded.data, schema = excluded.schema, origin = excluded.origin, cached_at = excluded.cached_at,
    used_at = excluded.used_at
  WHERE NOT (excluded.state = 'partial' AND entries.state <> 'partial'
    AND entries.size = excluded.size AND entries.mtime_ns = excluded.mtime_ns)`;

/** Unless the row was written meanwhile. */
const MIGRATE = `UPDATE entries SET data = ?, state = ?, schema = ? WHERE path = ? AND data = ? AND schema = ?`;

const EVICT = `DELETE FROM entries WHERE id IN (
  SELECT id FROM entries ORDER BY used_at, id
  LIMIT max(0, (SELECT value FROM totals WHERE name = 'entries') - ?))`;

const EVICT_DIRECTORIES = `DELETE FROM directories WHERE path IN (
  SELECT path FROM directories ORDER BY cached_at LIMIT max(0, (SELECT count(*) FROM directories) - ?))`;

const DAY = `INSERT INTO days VALUES (?, ?, ?, ?, ?,
    (SELECT value FROM totals WHERE name = 'entries'), (SELECT value FROM totals WHERE name = 'bytes'))
  ON CONFLICT (day) DO UPDATE SET hits = hits + excluded.hits, misses = misses + excluded.misses,
    probes = probes + excluded.probes, failures = failures + excluded.failures,
    entries = excluded.entries, bytes = excluded.bytes`;
