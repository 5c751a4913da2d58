import { Type, type Static } from "typebox";

import { CacheOpsError } from "../../errors.ts";
import type { Trouble } from "../../finding.ts";
import { formatBytes } from "../../units.ts";
import { count, countRows, type Row } from "../../view.ts";
import { AGE_CLASSES } from "../directory/statistics.ts";
import { hasProbeFile, probeFileOf } from "./database.ts";
import type { ProbeContext } from "./open.ts";
import { openProbeStore, type ProbeStore } from "./store.ts";

const Counts = (description: string) => Type.Record(Type.String(), Type.Integer(), { description });

/** Figures about the central probe cache, over all processes and times. */
export const ProbeStatistics = Type.Object(
  {
    requests: Type.Integer(),
    hits: Type.Integer(),
    misses: Type.Integer(),
    hitRate: Type.Union([Type.Number(), Type.Null()], { description: "Hits of all requests, 0 to 1; null: none yet." }),
    probes: Type.Integer({ description: "Runs of ffprobe." }),
    failures: Type.Integer({ description: "Those that failed." }),
    entries: Type.Integer(),
    failedEntries: Type.Integer({ description: "Entries that remember a failure." }),
    bytes: Type.Integer(),
    byAge: Counts("Entries by the time since they were probed."),
    bySize: Counts("Entries by the bytes they take."),
    byOrigin: Counts("Entries by where they come from."),
    growth: Type.Array(
      Type.Object(
        {
          day: Type.String(),
          hits: Type.Integer(),
          misses: Type.Integer(),
          probes: Type.Integer(),
          failures: Type.Integer(),
          entries: Type.Integer({ description: "At the end of the day." }),
          bytes: Type.Integer({ description: "At the end of the day." }),
        },
        { additionalProperties: false },
      ),
      { description: "The last 30 days with work, oldest first." },
    ),
  },
  { additionalProperties: false, description: "The central probe cache." },
);
export type ProbeStatistics = Static<typeof ProbeStatistics>;

const DAY_MS = 86_400_000;
const AGE_DAYS = [1, 7, 30, 90, 365] as const;
/** Classes of entries by the bytes they take: their names, and the bytes they stay below. */
export const ENTRY_SIZES = [
  ["under 1 kB", 1000],
  ["1 to 4 kB", 4000],
  ["4 to 16 kB", 16_000],
  ["over 16 kB", Infinity],
] as const;

/** Gathers the figures; `undefined` while there is no store. Throws as opening the store does. */
function gatherProbeStatistics(context: ProbeContext): ProbeStatistics | undefined {
  if (!hasProbeFile(context)) return undefined;
  const store = openProbeStore(probeFileOf(context), context);
  try {
    return figuresOf(store, context.now());
  } finally {
    store.close();
  }
}

/** The same for an operation that shows other figures beside them: a store that cannot be used is a trouble. */
export function tryProbeStatistics(context: ProbeContext): {
  readonly figures: ProbeStatistics | undefined;
  readonly troubles: readonly Trouble[];
} {
  try {
    return { figures: gatherProbeStatistics(context), troubles: [] };
  } catch (error) {
    if (!(error instanceof CacheOpsError)) throw error;
    const message = `${error.message}. ${error.hint ?? ""}`;
    return { figures: undefined, troubles: [{ path: probeFileOf(context), code: error.code, message }] };
  }
}

/** The figures in words, beside the title of a table. */
export function probeFacts(figures: ProbeStatistics | undefined): (readonly [label: string, value: string])[] {
  if (figures === undefined) return [];
  const { requests, hits, hitRate, entries, bytes } = figures;
  const rate = hitRate === null ? "" : ` (${(hitRate * 100).toFixed(1)} %)`;
  return [
    ["Probe cache", `${count(entries, "result")}, ${formatBytes(bytes)}`],
    ["Probe cache hits", `${hits} of ${requests}${rate}`],
  ];
}

/** Ages, sizes and origins of the results, and the cache from day to day, as rows of what, which and how many. */
export function probeRows(figures: ProbeStatistics | undefined): Row[] {
  if (figures === undefined) return [];
  return [
    ...countRows("Probe cache by age", figures.byAge),
    ...countRows("Probe cache by size", figures.bySize),
    ...countRows("Probe cache by origin", figures.byOrigin),
    ...figures.growth.map(({ day, entries, bytes, hits, misses, probes }): Row => {
      const work = `${count(hits, "hit")}, ${count(misses, "miss", "misses")}, ${count(probes, "probe")}`;
      return ["Probe cache by day", `${day}: ${formatBytes(bytes)}, ${work}`, entries];
    }),
  ];
}

function figuresOf(store: ProbeStore, now: number): ProbeStatistics {
  const totals = new Map(
    store.all("SELECT name, value FROM totals").map(({ name, value }) => [String(name), Number(value)]),
  );
  const total = (name: string) => totals.get(name) ?? 0;
  const [hits, misses] = [total("hits"), total("misses")];
  const grouped = (sql: string, ...values: number[]) =>
    store.all(sql, ...values).map(({ label, n }) => [label, Number(n)] as const);
  const ages = grouped(BY_AGE, ...AGE_DAYS.map((days) => now - days * DAY_MS));
  const sizes = grouped(BY_SIZE);
  return {
    requests: hits + misses,
    hits,
    misses,
    hitRate: hits + misses === 0 ? null : hits / (hits + misses),
    probes: total("probes"),
    failures: total("failures"),
    entries: total("entries"),
    failedEntries: Number(store.all("SELECT count(*) AS n FROM entries WHERE state = 'failed'")[0]?.["n"]),
    bytes: total("bytes"),
    byAge: Object.fromEntries(ages.map(([label, n]) => [AGE_CLASSES[Number(label)] ?? "unknown", n])),
    bySize: Object.fromEntries(sizes.map(([label, n]) => [ENTRY_SIZES[Number(label)]?.[0] ?? "unknown", n])),
    byOrigin: Object.fromEntries(
      grouped("SELECT origin AS label, count(*) AS n FROM entries GROUP BY origin ORDER BY n DESC"),
    ),
    growth: store.all("SELECT * FROM days ORDER BY day DESC LIMIT 30").toReversed().map(dayOf),
  };
}

const BY_AGE = `SELECT CASE ${AGE_DAYS.map((_, index) => `WHEN cached_at > ? THEN ${index}`).join(" ")}
  ELSE ${AGE_DAYS.length} END AS label, count(*) AS n FROM entries GROUP BY label ORDER BY label`;

const BY_SIZE = `SELECT CASE ${ENTRY_SIZES.slice(0, -1)
  .map(([, limit], index) => `WHEN bytes < ${limit} THEN ${index}`)
  .join(" ")} ELSE ${ENTRY_SIZES.length - 1} END AS label, count(*) AS n FROM entries GROUP BY label ORDER BY label`;

function dayOf(row: Readonly<Record<string, unknown>>): ProbeStatistics["growth"][number] {
  const figure = (name: string) => Number(row[name]);
  return {
    day: String(row["day"]),
    hits: figure("hits"),
    misses: figure("misses"),
    probes: figure("probes"),
    failures: figure("failures"),
    entries: figure("entries"),
    bytes: figure("bytes"),
  };
}
