import { Type, type Static } from "typebox";

import { ByProblem, countByProblem } from "../../../finding.ts";
import type { Scan, SeenCache } from "../../../scan.ts";
import { formatBytes } from "../../../units.ts";
import { count, countRows, type Row } from "../../../view.ts";
import { AGE_CLASSES } from "../../directory/statistics.ts";
import { ENTRY_SIZES } from "../statistics.ts";

const Counts = (description: string) => Type.Record(Type.String(), Type.Integer(), { description });

/** Figures about media-audit's cache as it lies on disk. */
export const MediaAuditStatistics = Type.Object(
  {
    entries: Type.Integer({ description: "Files: each is one entry." }),
    bytes: Type.Integer(),
    byProblem: ByProblem,
    byAge: Counts("Entries by the time since they were made, as they say themselves."),
    bySize: Counts("Entries by the size of their file."),
    growth: Type.Array(
      Type.Object(
        {
          day: Type.String(),
          entries: Type.Integer({ description: "Made by the end of the day." }),
          bytes: Type.Integer({ description: "Made by the end of the day." }),
        },
        { additionalProperties: false },
      ),
      {
        description:
          "What is there now, added up by the day it was made: the last 30 days with any, oldest first. What was removed since is not in it.",
      },
    ),
  },
  { additionalProperties: false, description: "media-audit's cache." },
);
export type MediaAuditStatistics = Static<typeof MediaAuditStatistics>;

const DAY_MS = 86_400_000;
const AGE_DAYS = [1, 7, 30, 90, 365, Infinity] as const;

/** Sums a scan of media-audit's caches up; `undefined` when it saw none. */
export function mediaAuditStatistics({ caches, found }: Scan, now: number): MediaAuditStatistics | undefined {
  const own = caches.filter(({ kind }) => kind === "probe");
  if (own.length === 0) return undefined;
  const ageOf = (time: number | undefined) =>
    time === undefined
      ? "unknown"
      : (AGE_CLASSES[AGE_DAYS.findIndex((days) => now - time < days * DAY_MS)] ?? "unknown");
  return {
    entries: own.length,
    bytes: own.reduce((sum, { content }) => sum + content.size, 0),
    byProblem: countByProblem(found.flatMap(({ finding }) => (finding.kind === "probe" ? [finding] : []))),
    byAge: counted(
      own.map(({ writtenAt }) => ageOf(writtenAt)),
      [...AGE_CLASSES, "unknown"],
    ),
    bySize: counted(
      own.map(({ content }) => ENTRY_SIZES.find(([, limit]) => content.size < limit)?.[0] ?? ""),
      ENTRY_SIZES.map(([label]) => label),
    ),
    growth: growthOf(own, now),
  };
}

/** Entries that do not say when they were made, or say a time to come, were there from the beginning. */
function growthOf(own: readonly SeenCache[], now: number): MediaAuditStatistics["growth"] {
  const dayOf = ({ writtenAt = 0 }: SeenCache) =>
    writtenAt > 0 && writtenAt <= now ? new Date(writtenAt).toISOString().slice(0, 10) : "";
  const days = [...Map.groupBy(own, dayOf)].toSorted(([a], [b]) => (a < b ? -1 : 1));
  let [entries, bytes] = [0, 0];
  return days
    .map(([day, made]) => {
      entries += made.length;
      bytes += made.reduce((sum, { content }) => sum + content.size, 0);
      return { day, entries, bytes };
    })
    .filter(({ day }) => day !== "")
    .slice(-30);
}

/** The figures in words, beside the title of a table. */
export function mediaAuditFacts(
  figures: MediaAuditStatistics | undefined,
): (readonly [label: string, value: string])[] {
  if (figures === undefined) return [];
  return [["media-audit", `${count(figures.entries, "entry", "entries")}, ${formatBytes(figures.bytes)}`]];
}

/** Ages and sizes of the entries, and the cache from day to day, as rows of what, which and how many. */
export function mediaAuditRows(figures: MediaAuditStatistics | undefined): Row[] {
  if (figures === undefined) return [];
  return [
    ...countRows("media-audit by age", figures.byAge),
    ...countRows("media-audit by size", figures.bySize),
    ...figures.growth.map(({ day, entries, bytes }): Row => [
      "media-audit by day",
      `${day}: ${formatBytes(bytes)}`,
      entries,
    ]),
  ];
}

/** How often each label occurs, in the order given; those that do not occur are left out. */
function counted(labels: readonly string[], order: readonly string[]): Record<string, number> {
  const groups = Map.groupBy(labels, (label) => label);
  return Object.fromEntries(
    order.flatMap((label) => {
      const size = groups.get(label)?.length;
      return size === undefined ? [] : [[label, size]];
    }),
  );
}
