/** The variable that names the file in which the probe leaves its address. */
export const PROBE = "CACHE_OPS_PROBE";

/** How a time was spread, in milliseconds. */
export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** What an extension host was like since it was last asked. */
export interface HostFigures {
  readonly pid: number;
  readonly rssBytes: number;
  /** From one turn of the event loop to the next; a loop with nothing to do shows {@link RESOLUTION_MS} and a bit. */
  readonly loop: Spread;
  /** Until a command of the workbench was answered, which goes through its window and back. */
  readonly command: Spread;
  /** Until the host's file system answered for a file. */
  readonly stat: Spread;
}

/** How often the delay is sampled, in milliseconds. */
export const RESOLUTION_MS = 5;

/** The spread of some times. */
export function spreadOf(times: readonly number[]): Spread {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? 0 };
}
