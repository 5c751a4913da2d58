import type { Context } from "../../context.ts";
import { CacheOpsError } from "../../errors.ts";
import { printable } from "../../printable.ts";
import { throwIfAborted } from "../../time-limit.ts";
import { formatBytes } from "../../units.ts";
import { count } from "../../view.ts";
import { DAMAGE_HINT, hasProbeFile, probeFileOf } from "./database.ts";
import type { ProbeContext } from "./open.ts";
import { shareProbes } from "./redis.ts";
import { openProbeStore, type ProbeStore } from "./store.ts";
import { unpackResult } from "./stored.ts";

/** Whether a part of the probe cache is in order, and how to mend it. */
export interface Examined {
  readonly name: string;
  readonly status: "ok" | "warning" | "failed";
  readonly message: string;
  readonly hint: string | null;
}

/** Rows that are unpacked to see whether they can be: those used last. */
const MAX_ROWS = 20_000;

/** Looks whether the store of the probe cache, and Redis if it is configured, are in order. Makes no store. */
export async function examineProbeCache(context: ProbeContext & Pick<Context, "signal">): Promise<readonly Examined[]> {
  return [examineStore(context), ...(await examineRedis(context))];
}

/**
 * What is wrong with an open store: SQLite's own findings, and rows that cannot be read. Empty when nothing is.
 * Throws `interrupted` when the signal is aborted.
 */
export function damageOf(store: ProbeStore, { signal }: Pick<Context, "signal">): readonly string[] {
  const findings = store
    .all("PRAGMA quick_check(5)")
    .map(({ quick_check: finding }) => String(finding))
    .filter((finding) => finding !== "ok");
  if (findings.length > 0) return findings;
  let unreadable = 0;
  let last = { at: Number.MAX_SAFE_INTEGER, id: Number.MAX_SAFE_INTEGER };
  for (let seen = 0; seen < MAX_ROWS; seen += 1000) {
    throwIfAborted(signal);
    const rows = store.all(PAGE, last.at, last.id);
    unreadable += rows.filter(
      ({ data, schema }) => !(data instanceof Uint8Array) || unpackResult(data, String(schema)) === undefined,
    ).length;
    const end = rows.at(-1);
    if (end === undefined) break;
    last = { at: Number(end["used_at"]), id: Number(end["id"]) };
  }
  return unreadable === 0 ? [] : [`${count(unreadable, "row")} cannot be read`];
}

const PAGE = `SELECT id, used_at, data, schema FROM entries WHERE (used_at, id) < (?, ?)
  ORDER BY used_at DESC, id DESC LIMIT 1000`;

function examineStore(context: ProbeContext & Pick<Context, "signal">): Examined {
  const name = "probe cache";
  if (!hasProbeFile(context)) return { name, status: "ok", message: "empty: nothing was probed yet", hint: null };
  try {
    const store = openProbeStore(probeFileOf(context), context);
    try {
      const [damage] = damageOf(store, context);
      if (damage !== undefined) {
        return { name, status: "failed", message: `${store.file}: ${printable(damage)}`, hint: DAMAGE_HINT };
      }
      const total = (counter: string) =>
        Number(store.all("SELECT value FROM totals WHERE name = ?", counter)[0]?.["value"]);
      const message = `${count(total("entries"), "result")}, ${formatBytes(total("bytes"))}`;
      return { name, status: "ok", message, hint: null };
    } finally {
      store.close();
    }
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code === "interrupted") throw error;
    return { name, status: "failed", message: error.message, hint: error.hint ?? null };
  }
}

async function examineRedis(context: ProbeContext): Promise<Examined[]> {
  if (context.redisUrl === undefined) return [];
  const name = "Redis";
  const shared = shareProbes(context.redisUrl, context);
  try {
    const trouble = await shared.trouble();
    if (trouble === undefined) return [{ name, status: "ok", message: "answers", hint: null }];
    const hint = "Probe results are kept on this host only. Check CACHE_OPS_REDIS_URL and the server.";
    return [{ name, status: "warning", message: `does not answer (${trouble})`, hint }];
  } finally {
    await shared.close();
  }
}
