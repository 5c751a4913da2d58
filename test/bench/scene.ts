import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";

import type { Tree } from "./library-tree.ts";
import type { Contender } from "./rounds.ts";
import { nodeWords, run, type Cost } from "./run.ts";

/** A build of the product. */
export interface Program {
  /** What its contenders are called after; empty: the one that is measured, others are beside it to compare. */
  readonly label: string;
  /** Path of `cli/bin/cache-ops.js`. */
  readonly path: string;
}

/** Where a benchmark takes place. */
export interface Scene {
  /** A directory for what is needed meanwhile. */
  readonly place: string;
  readonly tree: Tree;
  readonly programs: readonly Program[];
  readonly rounds: number;
}

/** What is promised about two contenders: `of` costs at most so many times what `to` costs, or at least. */
export interface Goal {
  readonly of: string;
  readonly to: string;
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** Contenders that run in turn. */
export interface Bench {
  readonly title: string;
  readonly contenders: readonly Contender[];
  /** The contender that the table compares with. */
  readonly ruler: string;
  readonly goals: readonly Goal[];
  /** What would have run, too, if this machine had it. */
  readonly missing: readonly string[];
}

/** What is done with what a build printed. */
type Verify = (answer: Record<string, unknown>) => void;

/** One build at work in the scene. */
export interface Worker {
  /** A name of a contender that tells the build, too. */
  readonly name: (name: string) => string;
  /** From now on, with an empty state directory, but for the compiled code: a program that was used before has that. */
  readonly forget: () => void;
  readonly environment: NodeJS.ProcessEnv;
  /** Runs `cache-ops WORDS --json`, checks the answer and returns what it cost. */
  readonly run: (isMetered: boolean, words: readonly string[], verify: Verify) => Promise<Cost>;
}

/** Puts a build to work, with a state directory and a configuration of its own. */
export function workerOf({ label, path }: Program, place: string, configuration: object = {}): Worker {
  const own = mkdtempSync(join(place, "worker-"));
  const state = join(own, "state");
  const config = join(own, "config.json");
  writeFileSync(config, JSON.stringify(configuration));
  const environment = { ...env, CACHE_OPS_STATE_DIR: state, CACHE_OPS_CONFIG: config };
  return {
    name: (name) => (label === "" ? name : `${name} (${label})`),
    forget: () => {
      mkdirSync(state, { recursive: true });
      const kept = readdirSync(state).filter((name) => name !== "compiled-code");
      for (const name of kept) rmSync(join(state, name), { recursive: true });
    },
    environment,
    run: async (isMetered, words, verify) => {
      const all = [...nodeWords(isMetered, path), ...words, "--json"];
      const { cost, output } = await run(all, { place: own, environment, codes: [0, 1] });
      verify(JSON.parse(output) as Record<string, unknown>);
      return cost;
    },
  };
}

/** A contender that is another program. What it prints is checked, too: JSON, if it is to be checked. */
export function stranger(
  name: string,
  words: (isMetered: boolean) => readonly string[],
  place: string,
  verify?: Verify,
): Contender {
  const own = mkdtempSync(join(place, "stranger-"));
  return {
    name,
    run: async (isMetered) => {
      const { cost, output } = await run(words(isMetered), { place: own });
      verify?.(JSON.parse(output) as Record<string, unknown>);
      return cost;
    },
  };
}

/** Throws when one of the wanted values is another one: then no figure counts. */
export function expect(who: string, seen: Record<string, unknown>, wanted: Readonly<Record<string, unknown>>): void {
  for (const [key, value] of Object.entries(wanted)) {
    if (seen[key] !== value) {
      throw new Error(`${who} says ${key} ${JSON.stringify(seen[key])}; the truth is ${JSON.stringify(value)}`);
    }
  }
}

/** Whether this machine has the program. */
export function has(program: string, ...words: readonly string[]): boolean {
  return spawnSync(program, words, { stdio: "ignore" }).status === 0;
}

/** Lets the disk rest, so that nobody pays for what somebody else wrote. */
export function settle(): void {
  execFileSync("sync");
}
