import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

import { makePlace } from "../../support/place.ts";
import { programOf } from "../../support/program.ts";
import { faultEnvironment } from "../fault.ts";
import type { Row, Task } from "../row.ts";

const COUNTER = programOf("faults/lock-counter");
const HOLDER = programOf("faults/lock-holder");

/** The least the lock library allows. */
const STALE_SECONDS = 2;
const DAY = 86_400;
/** How far the clocks of the processes are off, and in how many state directories they are. */
const CLOCKS = [0, 0, DAY, -DAY, 3600, 0] as const;
/** Sections that are counted together; after them the sum must be right. */
const TOGETHER = 600;

export const lock: Row = {
  name: "lock",
  what: "critical sections of six processes (three of them with clocks a day ahead, a day behind and an hour ahead, one in ten with its main thread busy for longer than a lock lives), of which some are killed and some stopped for longer than a lock lives; for each ten of them once more an abandoned lock that all six find at the same moment",
  required: "no update is lost: the counter stands at what was counted; an abandoned lock gets one owner",
  count: 11_200,
  quick: 44,
  async run(task) {
    try {
      await goThrough(task);
    } finally {
      for (const child of children.splice(0)) child.kill("SIGKILL");
      crowd = undefined;
    }
  },
};

async function goThrough(task: Task): Promise<void> {
  for (let from = task.from; from < task.to && !task.isOver();) {
    const size = Math.min(TOGETHER, task.to - from);
    const sections = Math.ceil((size * 10) / 11);
    try {
      await countTogether(sections, task);
      task.passed(sections);
    } catch (error) {
      task.failed(`sections from ${from}`, error);
    }
    for (let left = size - sections; left > 0 && !task.isOver(); left -= 1) {
      try {
        await takeOver(task);
        task.passed();
      } catch (error) {
        task.failed("take-over", error);
      }
    }
    from += size;
  }
}

/** Six processes count to `sections` together. */
async function countTogether(sections: number, task: Task): Promise<void> {
  const place = makePlace("lock");
  const [path, file] = [join(place, "cache.lock"), join(place, "counter")];
  writeFileSync(file, "0");
  const states = CLOCKS.map(() => join(place, "state"));
  for (const state of new Set(states)) mkdirSync(state, { recursive: true });
  let counted = 0;
  let kills = 0;
  const left = CLOCKS.map(() => Math.ceil(sections / CLOCKS.length));
  const running: (ChildProcess | undefined)[] = CLOCKS.map(() => undefined);
  const ends: Promise<unknown>[] = [];
  const errors: string[] = [];
  const start = (index: number): void => {
    const blockEvery = index === 0 ? 10 * CLOCKS.length : 0;
    const words = [path, states[index], STALE_SECONDS, file, index, left[index], blockEvery].map(String);
    const env = faultEnvironment(CLOCKS[index] ?? 0);
    const child = spawn(process.execPath, [COUNTER, ...words], { env, stdio: ["ignore", "pipe", "pipe"] });
    running[index] = child;
    child.stderr.on("data", (text) => errors.push(String(text)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line.startsWith("lost")) task.count("locks lost, and noticed");
      if (!line.startsWith("counted")) return;
      counted += 1;
      left[index] = (left[index] ?? 0) - 1;
    });
    const end = async () => {
      await once(child, "close");
      running[index] = undefined;
      if ((left[index] ?? 0) > 0 && !isOver) start(index);
    };
    ends.push(end());
  };
  let isOver = false;
  for (const index of CLOCKS.keys()) start(index);
  const dice = task.diceOf(sections);
  while (running.some((child) => child !== undefined)) {
    await delay(400);
    const child = running[dice.below(running.length)];
    if (child === undefined || errors.length > 0) continue;
    if (dice.chance(0.6)) {
      child.kill("SIGKILL");
      kills += 1;
      task.count("killed");
    } else {
      child.kill("SIGSTOP");
      task.count("stopped");
      await delay(STALE_SECONDS * 1600);
      child.kill("SIGCONT");
    }
  }
  isOver = true;
  await Promise.all(ends);
  const stands = Number(readFileSync(file, "utf8"));
  rmSync(place, { recursive: true });
  task.count("critical sections", stands);
  if (errors.length > 0) throw new Error(errors.join("").slice(0, 1000));
  // Who was killed right after it counted could not say so.
  if (stands < counted || stands > counted + kills) {
    throw new Error(`the counter stands at ${stands}, ${counted} were counted, ${kills} killed`);
  }
}

/** Six processes find an abandoned lock at the same moment. */
async function takeOver(task: Task): Promise<void> {
  crowd ??= startCrowd();
  const { path, log, round } = crowd;
  while (!existsSync(`${log}.ready.${round}`) || readFileSync(`${log}.ready.${round}`).length < 6) {
    if (crowd.failed !== undefined) throw crowd.failed;
    await delay(2);
  }
  mkdirSync(path);
  utimesSync(path, 1, 1);
  crowd.round += 1;
  writeFileSync(`${log}.go.${round}`, "");
  // All have tried once they are ready for the next round.
  while (!existsSync(`${log}.ready.${round + 1}`) || readFileSync(`${log}.ready.${round + 1}`).length < 6) {
    await delay(2);
  }
  const owned = existsSync(log)
    ? readFileSync(log, "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { round: number; from: string; to: string })
        .filter((one) => one.round === round)
        .toSorted((a, b) => (BigInt(a.from) < BigInt(b.from) ? -1 : 1))
    : [];
  task.count("take-overs of an abandoned lock");
  if (owned.length === 0) throw new Error(`nobody took the lock over in round ${round}`);
  for (const [index, { from }] of owned.entries()) {
    const before = owned[index - 1];
    if (before !== undefined && BigInt(before.to) > BigInt(from)) throw new Error(`two owners in round ${round}`);
  }
}

let crowd: ReturnType<typeof startCrowd> | undefined;

function startCrowd() {
  const place = makePlace("crowd");
  const [path, log, state] = [join(place, "cache.lock"), join(place, "log"), join(place, "state")];
  mkdirSync(state);
  const made = { path, log, round: 0, failed: undefined as Error | undefined };
  for (let id = 0; id < 6; id += 1) {
    const words = ["contend", path, state, "15", log, String(id), "1000000", "20", "0"];
    const child = spawn(process.execPath, [HOLDER, ...words], { stdio: ["ignore", "ignore", "inherit"] });
    child.unref();
    children.push(child);
    child.on("exit", (code) => (made.failed = new Error(`a contender ended with ${code}`)));
  }
  return made;
}

const children: ChildProcess[] = [];
