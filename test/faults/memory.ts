import { readFileSync } from "node:fs";

/** In this time a process may take as much memory as it wants. */
const WARM_SECONDS = 180;
/** By so many kilobytes the last third of the time after that may be above the one before it. */
export const MOST_GROWN = 50_000;

/** What is resident of a process at a time. */
export interface Sample {
  readonly seconds: number;
  readonly kilobytes: number;
}

/** How many kilobytes of a process are resident. */
export function residentOf(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
}

/**
 * By how many kilobytes the median of the last third is above that of the second one. `undefined` where nobody looked
 * for long enough.
 */
export function growthOf(samples: readonly Sample[]): number | undefined {
  const warm = samples.filter(({ seconds }) => seconds > WARM_SECONDS).map(({ kilobytes }) => kilobytes);
  if (warm.length < 30) return undefined;
  const third = Math.floor(warm.length / 3);
  const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  return median(warm.slice(2 * third)) - median(warm.slice(third, 2 * third));
}
