import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { env, execPath, platform } from "node:process";

import { METER } from "../support/peak.ts";

/** What one run of a program cost, start and end of its process included. */
export interface Cost {
  readonly seconds: number;
  /** Time of the processors, in steps of 10 ms; NaN where the system does not tell. */
  readonly cpuSeconds: number;
  /** Most memory it ever had (VmHWM), where it told. */
  readonly peakMegabytes?: number | undefined;
}

/** A run that ended well: what it cost and what it printed. */
export interface Ran {
  readonly cost: Cost;
  readonly output: string;
}

/** How to run a program. */
export interface RunOptions {
  /** Directory for what it prints. */
  readonly place: string;
  readonly environment?: NodeJS.ProcessEnv | undefined;
  /** Exit codes that are no failure; 0 without. */
  readonly codes?: readonly number[] | undefined;
}

/**
 * Runs a program to its end. What it prints goes into files, so that nobody is busy reading meanwhile. A line `PEAK n`
 * on standard error is its most memory in kB. Throws when it ends with another code.
 */
export async function run([program = "", ...words]: readonly string[], options: RunOptions): Promise<Ran> {
  const { place, environment = env, codes = [0] } = options;
  const [stdout, stderr] = [join(place, "stdout"), join(place, "stderr")];
  const files = [openSync(stdout, "w"), openSync(stderr, "w")];
  const cpu = cpuOfChildren();
  const begun = performance.now();
  const child = spawn(program, words, { env: environment, stdio: ["ignore", ...files] });
  const [code] = (await once(child, "exit")) as [number | null];
  const seconds = (performance.now() - begun) / 1000;
  for (const file of files) closeSync(file);
  const notes = readFileSync(stderr, "utf8");
  if (!codes.some((wanted) => wanted === code)) {
    const shown = [program, ...words].filter((word) => !word.startsWith("data:")).join(" ");
    throw new Error(`${shown} ended with ${code}: ${notes.slice(-2000)}`);
  }
  return {
    cost: { seconds, cpuSeconds: cpuOfChildren() - cpu, peakMegabytes: peakOf(notes) },
    output: readFileSync(stdout, "utf8"),
  };
}

/** The words that run a program of Node, one that tells its peak if wanted: that makes it slower to start. */
export function nodeWords(isMetered: boolean, ...words: readonly string[]): string[] {
  return [execPath, ...(isMetered ? ["--import", METER] : []), ...words];
}

/** Threads and children of a program tell theirs, too. */
function peakOf(notes: string): number | undefined {
  const peaks = [...notes.matchAll(/^PEAK (\d+)$/gm)].map(([, kilobytes]) => Number(kilobytes) / 1024);
  return peaks.length === 0 ? undefined : Math.max(...peaks);
}

/** Of all children that have ended, in seconds. */
function cpuOfChildren(): number {
  if (platform !== "linux") return Number.NaN;
  const fields = readFileSync("/proc/self/stat", "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[13]) + Number(fields[14])) / 100;
}
