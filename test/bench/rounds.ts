import type { Cost } from "./run.ts";

/** One of those that run in turn. */
export interface Contender {
  readonly name: string;
  /** Makes everything ready, before each run; not measured. */
  readonly prepare?: (() => void | Promise<void>) | undefined;
  /** Runs once and checks what came out: throws when it is wrong. Tells its peak when it is metered. */
  readonly run: (isMetered: boolean) => Promise<Cost>;
}

/** What a contender cost in each round. */
export interface Figures {
  readonly name: string;
  readonly seconds: readonly number[];
  readonly cpuSeconds: readonly number[];
  readonly peakMegabytes: number | undefined;
}

/**
 * Runs the contenders in turn, A B C A B C …, so that a noisy neighbour hits all of them. The first round warms up and
 * asks for the memory; its times do not count.
 */
export async function runRounds(
  contenders: readonly Contender[],
  rounds: number,
  onRound: (done: number) => void = () => undefined,
): Promise<readonly Figures[]> {
  const costs = new Map<Contender, Cost[]>(contenders.map((contender) => [contender, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const [contender, all] of costs) {
      await contender.prepare?.();
      all.push(await contender.run(round === 0));
    }
    onRound(round);
  }
  return [...costs].map(([{ name }, [first, ...timed]]) => ({
    name,
    seconds: timed.map(({ seconds }) => seconds),
    cpuSeconds: timed.map(({ cpuSeconds }) => cpuSeconds),
    peakMegabytes: first?.peakMegabytes,
  }));
}

/** The one in the middle, or between the two in the middle; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2;
}

/** How many times as much the first cost as the second: the median over the rounds, each compared with itself. */
export function ratioOf(of: Figures, to: Figures, what: "seconds" | "cpuSeconds" = "seconds"): number {
  return median(of[what].map((value, round) => value / (to[what][round] ?? Number.NaN)));
}
