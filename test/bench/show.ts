import { ratioOf, median, type Figures } from "./rounds.ts";
import type { Bench, Goal } from "./scene.ts";

/** A goal, and what came out. */
interface Outcome extends Goal {
  readonly ratio: number;
  readonly isReached: boolean;
}

/** What one benchmark found, as it is written to the file. */
export interface Findings {
  readonly title: string;
  readonly ruler: string;
  readonly contenders: readonly (Figures & {
    readonly medianSeconds: number;
    /** Median over the rounds of what it cost to what the ruler cost. */
    readonly toRuler: number;
    readonly cpuToRuler: number;
  })[];
  readonly goals: readonly Outcome[];
  readonly missing: readonly string[];
}

/** Works out medians and ratios of pairs; goals about contenders that were not there are left out. */
export function findingsOf({ title, ruler, goals, missing }: Bench, figures: readonly Figures[]): Findings {
  const named = new Map(figures.map((each) => [each.name, each]));
  const to = named.get(ruler);
  if (to === undefined) throw new Error(`${ruler} did not run`);
  return {
    title,
    ruler,
    contenders: figures.map((each) => ({
      ...each,
      medianSeconds: median(each.seconds),
      toRuler: ratioOf(each, to),
      cpuToRuler: ratioOf(each, to, "cpuSeconds"),
    })),
    goals: goals.flatMap((goal) => {
      const [of, other] = [named.get(goal.of), named.get(goal.to)];
      if (of === undefined || other === undefined) return [];
      const ratio = ratioOf(of, other);
      const isReached = ratio <= (goal.atMost ?? Infinity) && ratio >= (goal.atLeast ?? -Infinity);
      return [{ ...goal, ratio, isReached }];
    }),
    missing,
  };
}

/** The findings as two tables of Markdown. */
export function show({ title, ruler, contenders, goals, missing }: Findings): string {
  const rows = contenders.map(({ name, seconds, medianSeconds, toRuler, cpuToRuler, peakMegabytes }) => [
    name,
    medianSeconds.toFixed(3),
    `${Math.min(...seconds).toFixed(3)}–${Math.max(...seconds).toFixed(3)}`,
    toRuler.toFixed(2),
    shown(cpuToRuler),
    shown(peakMegabytes, 0),
  ]);
  const promised = goals.map(({ of, to, atMost, atLeast, ratio, isReached }) => [
    `${of} ÷ ${to}`,
    atMost === undefined ? `≥ ${atLeast}` : `≤ ${atMost}`,
    ratio.toFixed(2),
    isReached ? "reached" : "missed",
  ]);
  return [
    `\n### ${title}\n`,
    table(["", "median s", "min–max", `÷ ${ruler}`, `cpu ÷ ${ruler}`, "peak MB"], rows),
    ...(promised.length === 0 ? [] : ["", table(["goal", "wanted", "here", ""], promised)]),
    ...missing.map((what) => `\nNot here: ${what}.`),
  ].join("\n");
}

/** Rows below a head, as Markdown whose columns stand below each other in a terminal, too. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(3, title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join(" | ")} |`;
  const rule = widths.map((width, column) => (column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

function shown(value: number | undefined, digits = 2): string {
  return value === undefined || !Number.isFinite(value) ? "–" : value.toFixed(digits);
}
