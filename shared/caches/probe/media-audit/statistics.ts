import { Type, type Static } from "typebox";

import { ByProblem, countByProblem } from "../../../finding.ts";
import type { Scan } from "../../../scan.ts";
import { formatBytes } from "../../../units.ts";
import { count } from "../../../view.ts";
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
  };
}

/** The figures in words, beside the title of a table. */
export function mediaAuditFacts(
  figures: MediaAuditStatistics | undefined,
): (readonly [label: string, value: string])[] {
  if (figures === undefined) return [];
  return [["media-audit", `${count(figures.entries, "entry", "entries")}, ${formatBytes(figures.bytes)}`]];
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
