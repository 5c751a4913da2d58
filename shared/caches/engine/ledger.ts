import type { State } from "../../state.ts";
import type { IdleMemory } from "./idle.ts";

/*
 * What this host remembers of engine caches. Cleanups go by the name of the container, for it is made anew with every
 * update; what was seen of its idleness goes by its id. What did nothing is never written down.
 */

/** A cache directory, by what stays the same when its container is made anew. */
export interface LedgerKey {
  readonly engine: string;
  /** Name of the container. */
  readonly container: string;
  readonly path: string;
}

/** A cleanup that began to remove. */
export interface Cleanup {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly bytesBefore: number;
  /** Null: not known. */
  readonly bytesAfter: number | null;
  readonly outcome: "complete" | "partial" | "unverified";
}

/** What became of a cache so far. */
export interface LedgerTotals {
  /** When it was last cleaned, in milliseconds since 1970; null: never. */
  readonly cleanedAt: number | null;
  /** Bytes that were in it before. */
  readonly bytesBefore: number | null;
  readonly cleanups: number;
  readonly freedBytes: number;
}

/** Most cleanups of one cache that are kept one by one; totals count them all. */
const HISTORY = 100;
/** What was seen of a container longer ago vouches for nothing. */
const FORGET_MS = 7 * 86_400_000;

/** Writes a cleanup down. Throws `unavailable` when the store cannot be written. */
export function recordCleanup(state: State, { engine, container, path }: LedgerKey, cleanup: Cleanup): void {
  const { at, bytesBefore, bytesAfter, outcome } = cleanup;
  const freed = bytesAfter === null ? 0 : Math.max(0, bytesBefore - bytesAfter);
  state.write(() => {
    state.run(
      "INSERT INTO container_cleanups (engine, container, path, at, before, after, outcome) VALUES (?, ?, ?, ?, ?, ?, ?)",
      engine,
      container,
      path,
      at,
      bytesBefore,
      bytesAfter,
      outcome,
    );
    state.run(
      "DELETE FROM container_cleanups WHERE engine = ?1 AND container = ?2 AND path = ?3 AND id <= (SELECT id FROM container_cleanups WHERE engine = ?1 AND container = ?2 AND path = ?3 ORDER BY id DESC LIMIT 1 OFFSET ?4)",
      engine,
      container,
      path,
      HISTORY,
    );
    state.run(
      "INSERT INTO container_caches VALUES (?, ?, ?, ?, ?, 1, ?) ON CONFLICT DO UPDATE SET cleaned_at = excluded.cleaned_at, bytes = excluded.bytes, cleanups = cleanups + 1, freed = freed + excluded.freed",
      engine,
      container,
      path,
      at,
      bytesBefore,
      freed,
    );
  });
}

/** What became of a cache so far. */
export function totalsOf(state: State, { engine, container, path }: LedgerKey): LedgerTotals {
  const row = state.get(
    "SELECT cleaned_at, bytes, cleanups, freed FROM container_caches WHERE engine = ? AND container = ? AND path = ?",
    engine,
    container,
    path,
  );
  if (row === undefined) return { cleanedAt: null, bytesBefore: null, cleanups: 0, freedBytes: 0 };
  return {
    cleanedAt: Number(row["cleaned_at"]),
    bytesBefore: Number(row["bytes"]),
    cleanups: Number(row["cleanups"]),
    freedBytes: Number(row["freed"]),
  };
}

/** The latest cleanups of a cache, newest first. */
export function cleanupsOf(state: State, { engine, container, path }: LedgerKey, most: number): Cleanup[] {
  return state
    .all(
      "SELECT at, before, after, outcome FROM container_cleanups WHERE engine = ? AND container = ? AND path = ? ORDER BY id DESC LIMIT ?",
      engine,
      container,
      path,
      most,
    )
    .map(({ at, before, after, outcome }) => ({
      at: Number(at),
      bytesBefore: Number(before),
      bytesAfter: after === null ? null : Number(after),
      outcome: outcome === "complete" || outcome === "partial" ? outcome : "unverified",
    }));
}

/** What was seen of the containers of an engine cache, by their ids. */
export function idleMemories(state: State, engine: string): Map<string, IdleMemory> {
  const rows = state.all("SELECT container, looked_at, quiet_since FROM idle_memories WHERE engine = ?", engine);
  return new Map(
    rows.map(({ container, looked_at: lookedAt, quiet_since: quietSince }) => [
      String(container),
      {
        container: String(container),
        lookedAt: Number(lookedAt),
        quietSince: quietSince === null ? null : Number(quietSince),
      },
    ]),
  );
}

/** Keeps what was seen for the next look, also that of another process; what is older than what is kept does not count. */
export function rememberIdle(state: State, engine: string, memories: Iterable<IdleMemory>, now: number): void {
  state.write(() => {
    for (const { container, lookedAt, quietSince } of memories) {
      state.run(
        "INSERT INTO idle_memories VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET looked_at = excluded.looked_at, quiet_since = excluded.quiet_since WHERE excluded.looked_at >= looked_at",
        engine,
        container,
        Math.round(lookedAt),
        quietSince === null ? null : Math.round(quietSince),
      );
    }
    state.run("DELETE FROM idle_memories WHERE looked_at < ?", now - FORGET_MS);
  });
}
