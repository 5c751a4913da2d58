import { writeFileSync } from "node:fs";

import { FIGURES, readFigures, type Figures } from "./figures.ts";
import type { Row } from "./row.ts";
import { rows } from "./rows.ts";

/** Where what the figures say is told: beside them. */
export const RELIABILITY = FIGURES.replace(/\.json$/, ".md");

/** Writes the document from the figures that are kept. */
export function writeReliability(): void {
  writeFileSync(RELIABILITY, reliability(readFigures()));
}

/** The document that belongs to figures. Nothing is in it that the harness did not count. */
export function reliability(figures: Readonly<Record<string, Figures>>): string {
  const known = rows.map((row) => ({ row, figures: figures[row.name] }));
  return [
    "# Reliability",
    "",
    INTRODUCTION,
    "",
    "| row | tried | wanted | failed | seed | date | commits | time |",
    "|---|---:|---:|---:|---:|---|---|---:|",
    ...known.map(({ row, figures: one }) => line(row, one)),
    "",
    ...known.flatMap(({ row, figures: one }) => section(row, one)),
    NOT_COVERED,
    "",
  ].join("\n");
}

function line({ name, count }: Row, figures: Figures | undefined): string {
  if (figures === undefined) return `| [${name}](#${name}) | 0 | ${number(count)} | – | – | not run yet | – | – |`;
  const { done, failed, seed, date, commits, seconds } = figures;
  const cells = [number(done), number(count), failed, seed, date, commits.join(", "), time(seconds)];
  return `| [${name}](#${name}) | ${cells.join(" | ")} |`;
}

function section({ name, what, required, count }: Row, figures: Figures | undefined): string[] {
  return [
    `## ${name}`,
    "",
    `**Tried:** ${what}.`,
    "",
    `**Required:** ${required}.`,
    "",
    `**Came out:** ${figures === undefined ? "not run yet." : outcome(count, figures)}`,
    "",
    ...(figures?.notes ?? []).flatMap((note) => [`Not tried: ${note}`, ""]),
    ...(figures?.failures ?? []).flatMap((failure) => ["```text", failure, "```", ""]),
  ];
}

function outcome(count: number, { done, failed, counts }: Figures): string {
  const parts = Object.entries(counts)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, times]) => `${name}: ${number(times)}`);
  const verdict = failed === 0 ? "every one as required" : `${number(failed)} not as required, see below`;
  const share = done < count ? ` of the ${number(count)} wanted` : "";
  return `${number(done)} cases${share}, ${verdict}. ${parts.join("; ")}.`;
}

const number = (value: number) => value.toLocaleString("en-US");
const time = (seconds: number) => (seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`);

const INTRODUCTION = `What was done to the program to make it lose something, how often, and what came out. This page is written by
\`npm run test:faults -- --long\` from \`docs/reliability.json\`; nothing stands here that the harness did not count. It needs
Linux, root, a C compiler, Python, \`mkfs.ext4\` and \`mkfs.xfs\` for the power cuts, and Redis, Docker and \`wrk\` for the
service under load.

\`\`\`sh
npm run test:faults                                   # a few cases of every row, as in every run of the tests
npm run test:faults -- --long                         # every row, in full; a row that was stopped goes on where it was
npm run test:faults -- --long --only kill --seed 7    # one row, with other dice; --fresh forgets what was kept of it,
                                                      # --again tries once more what failed
npm run test:faults -- --long --scale 0.1 --minutes 5 # a tenth of each row, and no row for longer than five minutes
\`\`\`

A case is one operation with one fault in it, or one input. Which fault comes when follows from seed and number of the
case. \`+\` behind a commit: with changes that were not committed.`;

const NOT_COVERED = `## What is not covered

| what | why |
|---|---|
| lost and reordered writes below the file system (dm-flakey, dm-log-writes) | the kernel of the machines at hand has no device-mapper: \`/dev/mapper\` does not exist |
| power cuts on Btrfs | \`FS_IOC_SHUTDOWN\` is answered ENOTTY |
| faults inside the kernel (failslab, fail_page_alloc) | the kernel is built without CONFIG_FAULT_INJECTION |
| real NFS and SMB shares | the kernel has no client; ESTALE, EIO and calls that hang are injected instead (\`errors\`, \`hanging.test.ts\`) |
| power cuts on real disks that lie about flushes | only a machine with such a disk can show it |
| macOS and Windows | faults are injected on Linux only |`;
