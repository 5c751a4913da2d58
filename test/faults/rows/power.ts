import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

import type { Dice } from "../../support/dice.ts";
import { programOf } from "../../support/program.ts";
import { FILE_SYSTEMS, makeDisk, type Disk, type FileSystem } from "../power.ts";
import type { Row, Task } from "../row.ts";

const WORKER = programOf("faults/power-worker");
const KINDS = Object.keys(FILE_SYSTEMS) as FileSystem[];
/** The power goes after so many changes at most, at a random moment of the next one. */
const MOST_RUNS = 3;
const WINDOW_MS = 120;
/** After so many cuts a new file system is made: the state store has grown. */
const LIVES = 20;

interface Line {
  readonly ready?: boolean;
  readonly run?: string;
  readonly broken?: string;
  readonly stopped?: string;
  readonly swept?: boolean;
}

export const power: Row = {
  name: "power",
  what: `power cuts (FS_IOC_SHUTDOWN, log not flushed) at random moments of cleanups and evictions, on loop-mounted ${KINDS.join(", ")}`,
  required:
    "no empty or torn file; every run that was reported as done is there and is undone, whole; interrupted ones are finished by asking again; the state store is in order",
  count: 1_500,
  quick: 4,
  async run(task) {
    for (let number = task.from; number < task.to && !task.isOver(); number += LIVES) {
      const kind = KINDS[Math.floor(number / LIVES) % KINDS.length] ?? "ext4";
      await cutOften(kind, { ...task, from: number, to: Math.min(task.to, number + LIVES) });
    }
  },
};

/** Makes a file system and goes through some cases on it. */
async function cutOften(kind: FileSystem, task: Task): Promise<void> {
  let disk: Disk | undefined;
  try {
    disk = makeDisk(kind);
    // Nothing is to be recovered from yet.
    let { runs } = await live(disk, [], 0, task.diceOf(-1 - task.from), task);
    task.count(`cuts on ${kind}`);
    for (let number = task.from; number < task.to && !task.isOver(); number += 1) {
      const told = await live(disk, runs, number - task.from + 1, task.diceOf(number), task);
      if (told.broken !== undefined) {
        task.failed(`case ${number}: ${kind}`, told.broken);
        return;
      }
      task.passed();
      task.count(`cuts on ${kind}`);
      task.count("runs told to be done, and undone after the cut", runs.length);
      runs = told.runs;
    }
  } catch (error) {
    task.note(`${kind}: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    disk?.remove();
  }
}

/** One life of the worker: it recovers, works for some time, and loses its disk. */
async function live(disk: Disk, acknowledged: readonly string[], round: number, dice: Dice, task: Task) {
  const [most, ms] = [dice.below(MOST_RUNS + 1), dice.below(WINDOW_MS)];
  const child = spawn(process.execPath, [WORKER, disk.mount, JSON.stringify(acknowledged), String(round)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const runs: string[] = [];
  let broken: string | undefined;
  let isCut = false;
  const isAtWork = Promise.withResolvers<void>();
  const reading = createInterface({ input: child.stdout });
  reading.on("line", (line) => {
    const said = JSON.parse(line) as Line;
    // Where the power is gone nothing is told any more: here a call that was under way may still seem to come back.
    if (said.run !== undefined && !isCut) runs.push(said.run);
    if (said.broken !== undefined) broken = said.broken;
    if (said.swept === true) task.count("locks of runs that had ended, taken away by the next cleanup");
    if (said.stopped !== undefined && !isCut) broken = `stopped before the cut: ${said.stopped}`;
    if (said.ready === true || said.run !== undefined) {
      if (runs.length >= most) isAtWork.resolve();
    }
  });
  reading.on("close", () => isAtWork.resolve());
  await isAtWork.promise;
  if (broken === undefined) await delay(ms);
  isCut = true;
  await disk.cut();
  child.kill("SIGKILL");
  await exited;
  await disk.start();
  return { runs, broken };
}
