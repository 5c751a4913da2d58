import { existsSync, renameSync } from "node:fs";
import { DatabaseSync, type SQLOutputValue } from "node:sqlite";

import type { Context } from "../../context.ts";
import { CacheOpsError, systemError } from "../../errors.ts";
import { sqliteNumber } from "../../state.ts";
import { hasProbeFile, probeFileOf } from "./database.ts";
import { damageOf } from "./examine.ts";
import type { ProbeContext } from "./open.ts";
import { openProbeStore, type ProbeStore } from "./store.ts";
import { pack, SCHEMA_VERSION, unpackResult } from "./stored.ts";

/** What became of a damaged store. */
export interface Quarantine {
  /** What was wrong; empty: nothing, and nothing was done. */
  readonly damage: readonly string[];
  /** Where the old file is now. */
  readonly movedTo: string | null;
  /** Rows that could be read and stand in the new store. */
  readonly kept: number;
}

/**
 * Moves a damaged store aside - it is never deleted - and starts a new one with every row that can be read. With
 * `isDry` it only says what is wrong. A store in order is left alone; one of a newer program is refused (`unavailable`).
 */
export function quarantineStore(context: ProbeContext & Pick<Context, "signal">, isDry: boolean): Quarantine {
  const file = probeFileOf(context);
  const damage = hasProbeFile(context) ? examine(file, context) : [];
  if (damage.length === 0 || isDry) return { damage, movedTo: null, kept: 0 };
  const movedTo = `${file}.damaged-${new Date(context.now()).toISOString().replace(/[-:.]/g, "")}`;
  if (existsSync(movedTo)) {
    throw new CacheOpsError("unavailable", `${movedTo} is there already`, { hint: "Try again in a moment." });
  }
  try {
    // The log first: without it the file alone would be taken for a whole store.
    for (const end of ["-wal", "-shm", ""]) if (existsSync(file + end)) renameSync(file + end, movedTo + end);
  } catch (error) {
    throw systemError(error, `cannot move ${file} aside`);
  }
  const store = openProbeStore(file, context);
  try {
    return { damage, movedTo, kept: salvage(movedTo, store) };
  } finally {
    store.close();
  }
}

function examine(file: string, context: ProbeContext & Pick<Context, "signal">): readonly string[] {
  try {
    const store = openProbeStore(file, context);
    try {
      return damageOf(store, context);
    } finally {
      store.close();
    }
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code !== "corrupt") throw error;
    return [error.message];
  }
}

type Row = Readonly<Record<string, SQLOutputValue>>;

/** Copies what can be read: from the front up to the damage, and from the back down to it. */
function salvage(from: string, store: ProbeStore): number {
  let old: DatabaseSync | undefined;
  let kept = 0;
  try {
    old = new DatabaseSync(from, { readOnly: true });
    for (const order of ["ASC", "DESC"]) {
      kept += readRows(old, `SELECT * FROM entries NOT INDEXED ORDER BY id ${order}`, store, copyEntry);
    }
    readRows(old, "SELECT * FROM totals WHERE name IN ('hits', 'misses', 'probes', 'failures')", store, copyTotal);
    readRows(old, "SELECT * FROM days", store, copyDay);
  } catch (error) {
    if (sqliteNumber(error) === undefined) throw error;
    // Not even its first page can be read: it holds nothing that could be copied.
  } finally {
    old?.close();
  }
  return kept;
}

type Run = Parameters<Parameters<ProbeStore["write"]>[0]>[0];

function readRows(old: DatabaseSync, sql: string, store: ProbeStore, copy: (row: Row, run: Run) => number): number {
  return store.write((run) => {
    let copied = 0;
    try {
      for (const row of old.prepare(sql).iterate()) copied += copy(row, run);
    } catch (error) {
      if (sqliteNumber(error) === undefined || !isOf(old, error)) throw error;
      // Here the damage begins.
    }
    return copied;
  });
}

/** Damage, and tables that are not there; anything else is an error of the new store. */
function isOf(old: DatabaseSync, error: unknown): boolean {
  return old.isOpen && [1, 11, 26].includes((sqliteNumber(error) ?? 0) & 0xff);
}

function copyEntry(row: Row, run: Run): number {
  const { path, size, mtime_ns: mtimeNs, data, schema, origin, cached_at: cachedAt, used_at: usedAt, hits } = row;
  if (!(data instanceof Uint8Array) || typeof path !== "string") return 0;
  const result = unpackResult(data, String(schema));
  if (result === undefined) return 0;
  return run(
    `INSERT INTO entries (path, size, mtime_ns, state, data, schema, origin, cached_at, used_at, hits)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    path,
    size ?? 0,
    mtimeNs ?? "",
    result.state,
    pack(result),
    SCHEMA_VERSION,
    origin ?? "unknown",
    cachedAt ?? 0,
    usedAt ?? 0,
    hits ?? 0,
  );
}

function copyTotal({ name, value }: Row, run: Run): number {
  return run("UPDATE totals SET value = value + ? WHERE name = ?", value ?? 0, name ?? "");
}

function copyDay({ day, hits, misses, probes, failures, entries, bytes }: Row, run: Run): number {
  const values = [hits, misses, probes, failures, entries, bytes].map((value) => value ?? 0);
  return run("INSERT INTO days VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", day ?? "", ...values);
}
