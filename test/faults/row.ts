import { availableParallelism } from "node:os";

import { makeDice, type Dice } from "../support/dice.ts";

/** One line of docs/reliability.md: something that is tried many times, and what has to come out. */
export interface Row {
  /** As `--only` takes it. */
  readonly name: string;
  /** What is tried, for a reader. */
  readonly what: string;
  readonly required: string;
  /** Cases of the long run. */
  readonly count: number;
  /** Cases in every run of the tests. */
  readonly quick: number;
  /** Goes through the cases of a task. */
  run(task: Task): Promise<void>;
}

/** What a row is to do, and whom it tells. */
export interface Task {
  readonly seed: number;
  /** Cases as {@link Row.count} counts them: from this one on … */
  readonly from: number;
  /** … and below this one. */
  readonly to: number;
  /** Whether no further case is to be begun. */
  isOver(): boolean;
  /** Chance of one case: the same for the same seed, whichever cases were run before. */
  diceOf(number: number): Dice;
  /** Counts something that is told apart in the figures. */
  count(figure: string, by?: number): void;
  /** Cases that came out as required, `by` of them. */
  passed(by?: number): void;
  /** A case that did not. */
  failed(label: string, error: unknown): void;
  /** What was not or could not be tried, with the error seen. */
  note(text: string): void;
}

/** What a row said. */
export interface Tally {
  done: number;
  failed: number;
  readonly counts: Record<string, number>;
  readonly notes: string[];
  readonly failures: string[];
}

/** A tally of nothing yet. */
export const blankTally = (): Tally => ({ done: 0, failed: 0, counts: {}, notes: [], failures: [] });

/** A task that counts into `tally`, which may hold earlier cases, until `isOver`. */
export function makeTask(
  { seed, from, to }: Pick<Task, "seed" | "from" | "to">,
  tally: Tally,
  isOver: () => boolean = () => false,
): Task {
  return {
    seed,
    from,
    to,
    isOver: () => isOver() || tally.failed >= MOST_FAILURES,
    diceOf: (number) => makeDice(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)),
    count: (figure, by = 1) => (tally.counts[figure] = (tally.counts[figure] ?? 0) + by),
    passed: (by = 1) => (tally.done += by),
    failed(label, error) {
      tally.done += 1;
      tally.failed += 1;
      const text = error instanceof Error ? error.message : String(error);
      // What is published names no place of the machine it was found on.
      const lines = text.split("\n").filter((line) => !/^\s+at |file:\/\//.test(line));
      tally.failures.push(`${label}: ${lines.join("\n").replaceAll(PLACES, "…").slice(0, 700)}`);
    },
    note: (text) => void (tally.notes.includes(text) || tally.notes.push(text)),
  };
}

/** Directories that tests make. */
const PLACES = /\/(?:tmp|dev\/shm)\/[^\s'"]*cache-ops-[^\s'"/]*/g;

/** After so many failures a row ends: what is wrong is known. */
const MOST_FAILURES = 10;

/**
 * Goes through the cases of a task; what throws has failed. With several lanes so many cases are under way at a time,
 * each in a lane of its own.
 */
export async function eachCase(
  task: Task,
  work: (number: number, lane: number) => Promise<void> | void,
  lanes = 1,
): Promise<void> {
  let next = task.from;
  const go = async (lane: number) => {
    while (next < task.to && !task.isOver()) {
      const number = next;
      next += 1;
      try {
        await work(number, lane);
        task.passed();
      } catch (error) {
        task.failed(`case ${number}`, error);
      }
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, lane) => go(lane)));
}

/** Lanes of the rows whose cases keep one processor busy each. */
export const LANES = Math.max(1, Math.min(4, availableParallelism()));
