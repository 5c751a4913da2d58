import { isInside } from "../../anchor.ts";
import type { Context } from "../../context.ts";
import { matcher } from "../../policy.ts";
import { probeFileOf } from "./database.ts";
import type { ProbeContext } from "./open.ts";
import { shareProbes } from "./redis.ts";
import { openProbeStore, type ProbeStore } from "./store.ts";
import { SCHEMA_VERSION } from "./stored.ts";

/** Which results are meant: those for which everything given holds. */
export interface Choice {
  /** Files, or directories with all below them; absolute. */
  readonly within: readonly string[] | undefined;
  /** Patterns of absolute paths, or of names alone. */
  readonly match: readonly string[] | undefined;
  readonly state: "probed" | "failed" | "partial" | undefined;
  readonly olderThanSeconds: number | undefined;
  /** Only results that another version of the schema wrote. */
  readonly otherSchema: boolean;
}

/** What was forgotten, or would be. */
export interface Forgotten {
  readonly entries: number;
  readonly bytes: number;
  /** What became of the copies in Redis. */
  readonly shared: "none" | "forgotten" | "unreachable";
}

/** Forgets chosen results; with `isDry` it only counts them. Other processes that have the cache open notice. */
export async function forget(
  choice: Choice,
  isDry: boolean,
  context: ProbeContext & Pick<Context, "signal">,
): Promise<Forgotten> {
  const store = openProbeStore(probeFileOf(context), context);
  try {
    const chosen = choose(store, choice, context.now());
    const bytes = chosen.reduce((sum, entry) => sum + entry.bytes, 0);
    if (!isDry) {
      store.write((run) => {
        const ids = JSON.stringify(chosen.map(({ id }) => id));
        run("DELETE FROM entries WHERE id IN (SELECT value FROM json_each(?))", ids);
        // What was summed up of directories rests on these results.
        if (chosen.length > 0 || isEverything(choice)) run("DELETE FROM directories");
        run("UPDATE totals SET value = value + 1 WHERE name = 'generation'");
      });
      store.all("PRAGMA incremental_vacuum");
    }
    const paths = isEverything(choice) ? "all" : chosen.map(({ path }) => path);
    return { entries: chosen.length, bytes, shared: isDry ? "none" : await forgetShared(paths, context) };
  } finally {
    store.close();
  }
}

async function forgetShared(paths: readonly string[] | "all", context: ProbeContext): Promise<Forgotten["shared"]> {
  if (context.redisUrl === undefined) return "none";
  const shared = shareProbes(context.redisUrl, context);
  try {
    return (await shared.forget(paths)) ? "forgotten" : "unreachable";
  } finally {
    await shared.close();
  }
}

function isEverything({ within, match, state, olderThanSeconds, otherSchema }: Choice): boolean {
  return [within, match, state, olderThanSeconds].every((given) => given === undefined) && !otherSchema;
}

function choose(store: ProbeStore, choice: Choice, now: number) {
  const { within, match, state, olderThanSeconds, otherSchema } = choice;
  const matches = match === undefined ? () => true : matcher(match);
  const before = olderThanSeconds === undefined ? Number.MAX_SAFE_INTEGER : now - olderThanSeconds * 1000;
  return store
    .all(
      `SELECT id, path, bytes FROM entries WHERE cached_at < ? AND (? = '' OR state = ?) AND (? = '' OR schema <> ?)`,
      before,
      state ?? "",
      state ?? "",
      otherSchema ? "x" : "",
      SCHEMA_VERSION,
    )
    .map(({ id, path, bytes }) => ({ id: Number(id), path: String(path), bytes: Number(bytes) }))
    .filter(({ path }) => (within?.some((root) => isInside(root, path)) ?? true) && matches(path));
}
