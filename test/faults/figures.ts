import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { env } from "node:process";

import { blankTally, type Tally } from "./row.ts";

/** Where the figures of the long run are kept. */
export const FIGURES =
  env["CACHE_OPS_FAULT_FIGURES_FILE"] ?? new URL("../../docs/reliability.json", import.meta.url).pathname;

/** What came out of one row, over all its runs with one seed. */
export interface Figures extends Tally {
  seed: number;
  /** How many cases were asked for. */
  wanted: number;
  seconds: number;
  /** Day of the last run. */
  date: string;
  /** The commits it ran on. */
  commits: string[];
}

/** The figures that are kept, by the names of rows. */
export function readFigures(): Record<string, Figures> {
  return existsSync(FIGURES) ? (JSON.parse(readFileSync(FIGURES, "utf8")) as Record<string, Figures>) : {};
}

/** Keeps the figures of one row beside those of the others. */
export function keepFigures(name: string, figures: Figures): void {
  const sorted = Object.entries({ ...readFigures(), [name]: figures }).toSorted(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(`${FIGURES}.new`, `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`);
  renameSync(`${FIGURES}.new`, FIGURES);
}

/** Figures of a row that was not run yet. */
export const blankFigures = (seed: number): Figures => ({
  ...blankTally(),
  seed,
  wanted: 0,
  seconds: 0,
  date: "",
  commits: [],
});

/** The commit that is checked out; `+` behind it: with changes that are not committed. */
export function currentCommit(): string {
  const git = (...words: string[]) => execFileSync("git", words, { encoding: "utf8" }).trim();
  const changed = git("status", "--porcelain", "--untracked-files=no", "--", "shared", "mcp-server", "cli");
  return git("rev-parse", "--short", "HEAD") + (changed === "" ? "" : "+");
}
