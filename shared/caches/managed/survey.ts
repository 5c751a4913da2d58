import { statfs } from "node:fs/promises";
import { basename } from "node:path";

import type { Context } from "../../context.ts";
import { CacheOpsError, errnoOf } from "../../errors.ts";
import { latestRuns } from "../../journal.ts";
import { matcher } from "../../policy.ts";
import { withTimeLimit } from "../../time-limit.ts";
import { parseDuration } from "../../units.ts";
import { daysUntilFull } from "./forecast.ts";
import type { ManagedEntry, ManagedStore, ManagedTotals } from "./managed-store.ts";
import { measureTree } from "./measure.ts";
import { inspectManagedRoot } from "./member-path.ts";
import { withManagedStore } from "./open.ts";
import { quarantinedIn, quarantineOf } from "./quarantine.ts";
import { needOf } from "./scan.ts";
import type { ManagedCache } from "./settings.ts";
import { openUsageHistory } from "./usage-history.ts";
import { chooseVictims, type EvictionReason } from "./victims.ts";

/** A managed cache as it is now, for showing: from register and disk, without measuring a directory. */
export interface ManagedSurvey {
  readonly totals: ManagedTotals;
  /** The disk below its root, in bytes. */
  readonly disk: { readonly size: number; readonly free: number };
  /** How many directories lie in the quarantine. */
  readonly quarantined: number;
  /** When it is full if it goes on as it did; `null`: it does not grow, has no quota, or nobody watched it. */
  readonly daysUntilFull: number | null;
}

/** Directories of a managed cache, the longest unused first, and which of them would go now. */
export interface ManagedListing {
  readonly rows: readonly (ManagedEntry & { readonly due: EvictionReason | null })[];
  /** What would go of all of them, unless it is in use. */
  readonly due: { readonly directories: number; readonly bytes: number };
  /** What another program does that is dangerous beside this one, in words for the operator; usually nothing. */
  readonly warnings: readonly string[];
}

/** A directory in the quarantine. */
export interface QuarantinedRow {
  readonly place: string;
  /** Where it was, relative to the root; only its name where this host did not move it. */
  readonly path: string;
  /** `null`: it could not be measured. */
  readonly bytes: number | null;
  /** When it was moved there, in milliseconds since 1970. */
  readonly movedAt: number;
  /** Until when it can be put back, in milliseconds since 1970; after that an eviction removes it for good. */
  readonly keptUntil: number;
  /** The run that moved it, where it is known here. */
  readonly run: string | null;
}

interface Page {
  readonly offset: number;
  readonly limit: number;
}

/** Looks at a managed cache. Throws as `inspectManagedRoot` does, and `unavailable` for a register out of reach. */
export async function surveyManaged(cache: ManagedCache, context: Context): Promise<ManagedSurvey> {
  return (await look(cache, context, async () => undefined)).survey;
}

/** Looks at a managed cache and lists a page of its directories. Throws as {@link surveyManaged} does. */
export async function listManaged(
  cache: ManagedCache,
  page: Page,
  context: Context,
): Promise<{ readonly survey: ManagedSurvey; readonly listing: ManagedListing }> {
  return look(cache, context, (store, { totals, disk }) => listingOf(cache, store, totals, disk.free, page, context));
}

async function look<T>(
  cache: ManagedCache,
  context: Context,
  list: (store: ManagedStore, survey: ManagedSurvey) => Promise<T>,
): Promise<{ readonly survey: ManagedSurvey; readonly listing: T }> {
  const { realPath } = await inspectManagedRoot(cache, context);
  const limit = parseDuration(context.configuration.timeLimit);
  const { blocks, bavail, bsize } = await withTimeLimit(() => statfs(realPath), limit, realPath);
  const quarantined = (await quarantinedIn(quarantineOf(cache, realPath))).length;
  return withManagedStore(cache, context, async (store) => {
    const totals = await store.totals();
    const disk = { size: blocks * bsize, free: bavail * bsize };
    const survey = { totals, disk, quarantined, daysUntilFull: forecastOf(cache, totals, context) };
    return { survey, listing: await list(store, survey) };
  });
}

function forecastOf({ name, maxBytes }: ManagedCache, { bytes }: ManagedTotals, context: Context): number | null {
  if (maxBytes === undefined) return null;
  const history = openUsageHistory(context.stateDirectory ?? context.state().directory);
  try {
    const samples = history.samples(name);
    const day = Math.floor(context.now() / 86_400_000);
    // The samples are the service's; what is there now is the newest of them.
    return samples.length === 0
      ? null
      : daysUntilFull([...samples.filter((sample) => sample.day !== day), { day, bytes }], maxBytes);
  } finally {
    history.close();
  }
}

async function listingOf(
  cache: ManagedCache,
  store: ManagedStore,
  totals: ManagedTotals,
  freeBytes: number,
  page: Page,
  context: Context,
): Promise<ManagedListing> {
  const entries = await store.list({ ...page, newestFirst: false });
  const candidates = await store.candidates();
  const isKept = matcher(cache.keep);
  const { quotaBytes, diskBytes } = needOf({ cache, totals, freeBytes });
  const victims = chooseVictims(candidates, {
    policy: cache.policy,
    neededBytes: Math.max(quotaBytes, diskBytes),
    now: context.now(),
    maxAgeMs: cache.maxAge === undefined ? undefined : parseDuration(cache.maxAge) * 1000,
    refillBytesPerSecond: cache.refillBytesPerSecond,
    isExempt: (index) => cache.keep.length > 0 && isKept(candidates.pathOf(index)),
  });
  const shown = new Set(entries.map(({ path }) => path));
  const due = new Map<string, EvictionReason>();
  for (const [place, index] of victims.indices.entries()) {
    const path = candidates.pathOf(index);
    if (shown.has(path)) due.set(path, victims.reasons[place] ?? "over_quota");
  }
  return {
    rows: entries.map((entry) => ({ ...entry, due: due.get(entry.path) ?? null })),
    due: { directories: victims.indices.length, bytes: victims.freedBytes },
    warnings: await store.warnings(),
  };
}

/** Runs that are looked through for what lies in a quarantine; older ones are over. */
const MAX_RUNS = 200;

/**
 * What lies in the quarantine of a managed cache, the longest there first. What this host moved is known from its
 * journal; only the rest is measured. Throws as `inspectManagedRoot` does.
 */
export async function surveyQuarantine(cache: ManagedCache, context: Context): Promise<QuarantinedRow[]> {
  const { realPath } = await inspectManagedRoot(cache, context);
  const stored = await quarantinedIn(quarantineOf(cache, realPath));
  const known = stored.length === 0 ? new Map<string, Moved>() : movedBy(context);
  const rows: QuarantinedRow[] = [];
  for (const { place, movedAt } of stored) {
    const moved = known.get(place);
    rows.push({
      place,
      path: moved?.path ?? basename(place).replace(/^[0-9a-f]{8}-/, ""),
      bytes: moved?.bytes ?? (await bytesOf(place, context)),
      movedAt,
      keptUntil: movedAt + (moved?.keepSeconds ?? parseDuration(cache.quarantine)) * 1000,
      run: moved?.run ?? null,
    });
  }
  return rows;
}

interface Moved {
  readonly run: string;
  readonly path: string;
  readonly bytes: number;
  readonly keepSeconds: number;
}

/** The directories that runs of this host moved into quarantines, by where they lie there. */
function movedBy(context: Context): ReadonlyMap<string, Moved> {
  const moved = new Map<string, Moved>();
  for (const { id, work, forgotten } of latestRuns(context.state(), MAX_RUNS)) {
    if (forgotten) continue;
    for (const action of work.actions) {
      if (action.type !== "quarantine_directory" || moved.has(action.place)) continue;
      const { path, keepSeconds } = action.tracked;
      moved.set(action.place, { run: id, path, bytes: action.seen.size, keepSeconds });
    }
  }
  return moved;
}

async function bytesOf(place: string, { signal, configuration }: Context): Promise<number | null> {
  try {
    const { bytes } = await measureTree(place, { signal, timeLimitSeconds: parseDuration(configuration.timeLimit) });
    return bytes;
  } catch (error) {
    // Somebody may put it back, or remove it, at this very moment; or the storage does not answer.
    const isAway = errnoOf(error) !== undefined || (error instanceof CacheOpsError && error.code === "unavailable");
    if (!isAway) throw error;
    return null;
  }
}
