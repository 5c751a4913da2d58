import type { RunFigures } from "./figures.ts";

/** What came of the runs, by their own measurements. */
export interface Past {
  /** Runs that changed something and stand; those that were taken back; those that took others back. */
  readonly standing: number;
  readonly undone: number;
  readonly undos: number;
  /** Runs that are at work, and runs that died: nothing of them was measured. */
  readonly running: number;
  readonly interrupted: number;
  /** Bytes freed by runs, bytes put back by undoing them, and what remains. */
  readonly freedBytes: number;
  readonly putBackBytes: number;
  readonly netBytes: number;
}

/** What a run is in the sums: a run without a measured report counts for nothing. */
export type Part = "standing" | "undone" | "undo" | "unmeasured";

/** Which part of the sums a run belongs to. */
export function partOf({ status, undoes, undoneBy }: RunFigures): Part {
  if (status === "running" || status === "interrupted") return "unmeasured";
  if (undoes !== null) return "undo";
  return undoneBy === null ? "standing" : "undone";
}

/** Adds up runs. Nothing is left out: an undone run counts as freed, and its undo as put back. */
export function pastOf(runs: readonly RunFigures[]): Past {
  const count = (part: Part) => runs.filter((run) => partOf(run) === part).length;
  const measured = runs.filter((run) => partOf(run) !== "unmeasured");
  const freedBytes = sum(measured.filter(({ undoes }) => undoes === null));
  const netBytes = sum(measured);
  return {
    standing: count("standing"),
    undone: count("undone"),
    undos: count("undo"),
    running: runs.filter(({ status }) => status === "running").length,
    interrupted: runs.filter(({ status }) => status === "interrupted").length,
    freedBytes,
    putBackBytes: freedBytes - netBytes,
    netBytes,
  };
}

/** Some days in a row, and what was done in them. */
export interface Span {
  /** The first moment of it, in milliseconds since 1970. */
  readonly from: number;
  readonly runs: readonly RunFigures[];
  /** What all runs up to its end come to. */
  readonly netBytes: number;
}

/** The most spans that a table or chart shows. */
const MOST_SPANS = 40;
const LENGTHS = [1, 7, 30, 90, 365, 3650];

/** Cuts the time from the first run to `now` into spans of equal length in days, oldest first. */
export function spansOf(runs: readonly RunFigures[], now: number): { readonly days: number; readonly spans: Span[] } {
  const sorted = runs.toSorted((a, b) => a.startedAt - b.startedAt);
  const first = startOfDay(sorted[0]?.startedAt ?? now);
  const end = Math.max(now, sorted.at(-1)?.startedAt ?? now);
  const days = LENGTHS.find((length) => addDays(first, length * MOST_SPANS) > end) ?? 3650;
  const spans: Span[] = [];
  let netBytes = 0;
  for (let from = first; from <= end; from = addDays(from, days)) {
    const until = addDays(from, days);
    const inside = sorted.filter(({ startedAt }) => startedAt >= from && startedAt < until);
    netBytes += sum(inside.filter((run) => partOf(run) !== "unmeasured"));
    spans.push({ from, runs: inside, netBytes });
  }
  return { days, spans };
}

function startOfDay(time: number): number {
  return new Date(time).setHours(0, 0, 0, 0);
}

/** So many calendar days later, also where a clock change makes one shorter. */
function addDays(time: number, days: number): number {
  const date = new Date(time);
  return date.setDate(date.getDate() + days);
}

function sum(runs: readonly RunFigures[]): number {
  return runs.reduce((total, { reclaimedBytes }) => total + reclaimedBytes, 0);
}
