import { readFileSync } from "node:fs";

const PATTERN = String.raw`/VmHWM:\s+(\d+)/`;
const SCRIPT = `import { readFileSync } from "node:fs";
process.on("exit", () => console.error("PEAK", ${PATTERN}.exec(readFileSync("/proc/self/status", "utf8"))[1]));`;

/**
 * A module for `--import` by which a process tells the most memory it ever had, in kilobytes, when it ends. Not its
 * `maxRSS`: that begins with what its parent had.
 */
export const METER = `data:text/javascript,${encodeURIComponent(SCRIPT)}`;

/** The most memory that this process ever had, in bytes. */
export function peakBytes(): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024;
}
