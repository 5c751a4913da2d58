import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { systemError } from "../../errors.ts";
import { guarded, transaction, untilFree } from "../../state.ts";
import type { UsageSample } from "./forecast.ts";

/** How many days a forecast looks back. */
const KEPT_DAYS = 60;
const DAY_MS = 86_400_000;

/** What managed caches held, one sample a day each: the last of that day. */
export interface UsageHistory {
  /** Notes what a cache holds at a time (ms since 1970), and forgets what is older than sixty days. */
  note(cache: string, bytes: number, at: number): void;
  /** The samples of a cache, oldest first. */
  samples(cache: string): readonly UsageSample[];
  close(): void;
}

/**
 * Opens the history in the state directory, a file of its own: losing it costs a forecast, nothing else. Throws
 * `unavailable` when it cannot be opened.
 */
export function openUsageHistory(directory: string): UsageHistory {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw systemError(error, `cannot make the state directory ${directory}`);
  }
  const path = join(directory, "usage.db");
  const database = guarded(path, () => {
    const opened = new DatabaseSync(path);
    untilFree(() => {
      opened.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
      opened.exec(
        "CREATE TABLE IF NOT EXISTS usage (cache TEXT NOT NULL, day INTEGER NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (cache, day)) STRICT, WITHOUT ROWID",
      );
    });
    return opened;
  });
  return {
    note: (cache, bytes, at) =>
      guarded(path, () => {
        const day = Math.floor(at / DAY_MS);
        transaction(database, () => {
          database.prepare("INSERT OR REPLACE INTO usage VALUES (?, ?, ?)").run(cache, day, bytes);
          database.prepare("DELETE FROM usage WHERE day <= ?").run(day - KEPT_DAYS);
        });
      }),
    samples: (cache) =>
      guarded(path, () =>
        database
          .prepare("SELECT day, bytes FROM usage WHERE cache = ? ORDER BY day")
          .all(cache)
          .map((row) => ({ day: Number(row["day"]), bytes: Number(row["bytes"]) })),
      ),
    close: () => database.close(),
  };
}
