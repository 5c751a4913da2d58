import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { env } from "node:process";
import { parseArgs } from "node:util";

import { writeReliability } from "./document.ts";
import { blankFigures, currentCommit, keepFigures, readFigures, type Figures } from "./figures.ts";
import { makeTask } from "./row.ts";
import { rows } from "./rows.ts";

/*
 * The long run: `npm run test:faults -- --long`. It goes through the rows one at a time and keeps what came out of each
 * in docs/reliability.json, from which docs/reliability.md is written. A row that was stopped goes on where it was.
 */

const { values } = parseArgs({
  options: {
    long: { type: "boolean" },
    only: { type: "string", multiple: true },
    seed: { type: "string", default: "1" },
    scale: { type: "string", default: "1" },
    minutes: { type: "string", default: "1000000" },
    fresh: { type: "boolean" },
    again: { type: "boolean" },
  },
});
const seed = Number(values.seed);
const unknown = (values.only ?? []).filter((name) => rows.every((row) => row.name !== name));
if (unknown.length > 0) {
  throw new Error(`no row ${unknown.join(", ")}; there are ${rows.map(({ name }) => name).join(", ")}`);
}

let stopped = false;
process.on("SIGINT", () => (stopped = true));

// Only what is about durability needs a disk, and makes one for itself.
const memory = mkdtempSync("/dev/shm/cache-ops-faults-");
env["TMPDIR"] = memory;
process.on("exit", () => rmSync(memory, { recursive: true, force: true }));
if (statfsSync(memory).bavail * statfsSync(memory).bsize < 1e9) throw new Error("less than 1 GB left in /dev/shm");

for (const row of rows.filter(({ name }) => values.only?.includes(name) ?? true)) {
  const kept = readFigures()[row.name];
  const figures = kept !== undefined && kept.seed === seed && !values.fresh ? kept : blankFigures(seed);
  const before = figures.seconds;
  const begun = performance.now();
  const deadline = begun + Number(values.minutes) * 60_000;
  const to = Math.max(1, Math.round(row.count * Number(values.scale)));
  const save = () => {
    figures.seconds = Math.round(before + (performance.now() - begun) / 1000);
    figures.date = new Date().toISOString().slice(0, 10);
    figures.wanted = row.count;
    keepFigures(row.name, figures);
    show();
  };
  const show = () =>
    process.stdout.write(
      `${row.name.padEnd(12)} ${figures.done} of ${to} cases, ${figures.failed} failed, ${figures.seconds} s, seed ${seed}  ${JSON.stringify(figures.counts)}\n`,
    );
  const failed = values.again ? takeFailed(figures) : [];
  if (figures.done < to || failed.length > 0) {
    const commit = currentCommit();
    if (!figures.commits.includes(commit)) figures.commits.push(commit);
    const saving = setInterval(save, 20_000);
    figures.notes.length = 0;
    const isOver = () => stopped || performance.now() > deadline;
    try {
      for (const number of failed) await row.run(makeTask({ seed, from: number, to: number + 1 }, figures, isOver));
      if (figures.done < to) await row.run(makeTask({ seed, from: figures.done, to }, figures, isOver));
    } finally {
      clearInterval(saving);
      save();
    }
  } else show();
  for (const failure of figures.failures) process.stdout.write(`  ${failure}\n`);
  if (figures.failed > 0) process.exitCode = 1;
  if (stopped) break;
}
writeReliability();

/** Numbers of the single cases that had failed; they count as not tried from now on. */
function takeFailed(figures: Figures): number[] {
  const numbers = figures.failures.map((text) => Number(/^case (\d+):/.exec(text)?.[1] ?? -1));
  const rest = figures.failures.filter((_, at) => numbers[at] === -1);
  figures.failures.splice(0, figures.failures.length, ...rest);
  const taken = numbers.filter((number) => number >= 0);
  figures.failed -= taken.length;
  figures.done -= taken.length;
  return taken;
}

// Helpers of some rows are still there, to be used again.
// oxlint-disable-next-line unicorn/no-process-exit
process.exit();
