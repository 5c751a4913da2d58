import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { invoke, openState, operations, type Context } from "../../shared/index.ts";
import { QUARANTINE_NAME } from "../../shared/naming.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, entryFor, makeMovies, writeCache, writeMedia } from "../support/library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";

/** A library in which a cleanup has every kind of work to do, its state directory, and a plan for it. */
export interface Scene {
  readonly root: string;
  readonly state: string;
  readonly plan: string;
  /** Puts both directories back as they were right after planning. */
  readonly reset: () => void;
}

/** Runs an operation by its name. */
export async function runOperation(
  name: string,
  input: Record<string, unknown>,
  context: Context,
): Promise<Record<string, unknown>> {
  const operation = operations.find((candidate) => candidate.name === name);
  if (operation === undefined) throw new Error(`no operation ${name}`);
  return invoke(operation, input, context);
}

/** Runs an operation in this process on a state directory, which is closed again afterwards. */
export async function operate(
  state: string,
  name: string,
  input: Record<string, unknown>,
  parts: Parameters<typeof makeContext>[0] = {},
): Promise<Record<string, unknown>> {
  const opened = openState(state);
  try {
    return await runOperation(name, input, makeContext({ state: () => opened, ...parts }));
  } finally {
    opened.close();
  }
}

/** Plans a cleanup and returns the plan's id. */
export async function planCleanup(
  state: string,
  paths: readonly string[],
  parts: Parameters<typeof makeContext>[0] = {},
): Promise<string> {
  const { plan, status } = await operate(state, "cleanup", { paths: [...paths] }, parts);
  if (typeof plan !== "string" || status !== "ready") throw new Error(`the plan is ${String(status)}`);
  return plan;
}

/**
 * Five directories with caches: an orphan to cut, an entry that moves to a directory without a cache, one that moves
 * into an existing cache, a temp file of mediabox to discard, and a lock of ours to release.
 */
export async function makeScene(root = makePlace("library"), state = makePlace("state")): Promise<Scene> {
  const [orphan] = makeMovies(join(root, "cut"), ["Gone (2001).mkv", "Here (2002).mkv"]);
  unlinkSync(orphan ?? "");
  const [moved] = makeMovies(join(root, "from"), ["Moved (2003).mkv", "Stays (2004).mkv", "Third (2005).mkv"]);
  mkdirSync(join(root, "to"));
  renameSync(moved ?? "", join(root, "to", "Moved (2003).mkv"));
  const [second] = makeMovies(join(root, "second"), ["Also (2006).mkv", "Quiet (2007).mkv"]);
  makeMovies(join(root, "third"), ["Known (2008).mkv"]);
  renameSync(second ?? "", join(root, "third", "Also (2006).mkv"));
  makeMovies(join(root, "tidy"), ["Tidy (2009).mkv"]);
  const old = 1_600_000_000;
  writeFileSync(join(root, "tidy", `${CACHE}.tmp`), "{");
  utimesSync(join(root, "tidy", `${CACHE}.tmp`), old, old);
  const lock = makeDirectory(root, "locked", `${CACHE}.cache-ops-lock`);
  writeCache(join(root, "locked"), [entryFor(writeMedia(join(root, "locked"), "Lock (2010).mkv"))]);
  utimesSync(lock, old, old);
  for (const directory of ["cut", "from"]) {
    chmodSync(join(root, directory, CACHE), 0o640);
    chownSync(join(root, directory, CACHE), 1000, 1000);
  }
  const plan = await planCleanup(state, [root]);
  return { root, state, plan, reset: keepCopies([root, state]) };
}

/** Copies directories away and returns what puts them back as they are now. */
export function keepCopies(directories: readonly string[]): () => void {
  const copies = directories.map((directory) => {
    const copy = makePlace("copy");
    copyInto(directory, copy);
    return [directory, copy] as const;
  });
  return () => {
    for (const [directory, copy] of copies) copyInto(copy, directory);
  };
}

/** Makes the content of directories, `parts` of `to`, that of others; the directories themselves stay the same inodes. */
export function copyInto(from: string, to: string, parts: readonly string[] = ["."]): void {
  for (const part of parts) {
    for (const name of readdirSync(join(to, part))) rmSync(join(to, part, name), { recursive: true });
  }
  execFileSync("cp", ["-a", `${from}/.`, to]);
}

/** A tree without the times of its directories, and without those of the files that match `without`. */
export function treeWithoutTimes(root: string, without?: RegExp): string[] {
  return treeState(root).map((line) => {
    const match = /^(.*) (\d+) (\d+) (\d+) (-?\d+) (\S*) (\S*)$/s.exec(line);
    if (match === null) return line;
    const [, name = "", mode = "", uid, gid, mtimeNs, size, content] = match;
    const isDirectory = (Number(mode) & 0o170000) === 0o040000;
    const time = isDirectory || without?.test(name) === true ? "" : mtimeNs;
    return [name, mode, uid, gid, time, size, content].join(" ");
  });
}

/** Paths below a directory that only Cache Ops leaves: temp files and locks. */
export function leftoversIn(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.cache-ops-[^/]*\.tmp$|\.cache-ops-lock$/.test(name),
  );
}

/** Fifteen seconds pass for locks in the quarantine of a managed root whose owner died before it could sign them. */
export function letQuarantineLocksAge(root: string): void {
  const quarantine = join(root, QUARANTINE_NAME);
  if (!existsSync(quarantine)) return;
  for (const name of readdirSync(quarantine)) if (name.endsWith("-lock")) utimesSync(join(quarantine, name), 1, 1);
}

/**
 * Fifteen seconds pass for locks beside caches whose owner died before it could sign them, or could not give them back:
 * for those of this process, which must be at work on nothing.
 */
export function letLocksAge(root: string): void {
  for (const name of leftoversIn(root)) {
    if (!name.endsWith("-lock")) continue;
    const owner = join(root, name, "owner.json");
    const text = existsSync(owner) ? readFileSync(owner, "utf8") : "";
    const isSigned = text.endsWith("}");
    if (!isSigned || (JSON.parse(text) as { pid: number }).pid === process.pid) utimesSync(join(root, name), 1, 1);
  }
}
