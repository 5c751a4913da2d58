import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { lstat, readdir } from "node:fs/promises";

import { errnoOf } from "../../errors.ts";
import { throwIfAborted, withTimeLimit } from "../../time-limit.ts";

/** How to measure. */
export interface MeasureOptions {
  readonly signal: AbortSignal;
  /** Limit for one answer of the storage, in seconds. */
  readonly timeLimitSeconds: number;
}

/** A part of a tree that could not be looked at. */
export interface Unreadable {
  /** Absolute path. */
  readonly path: string;
  /** Name of the system's error; ENOENT: it went away in the meantime. */
  readonly code: string;
}

/** What a directory holds, with all below it. Links are not followed; what lies on another device is not counted. */
export interface Measurement {
  /** Sizes of the regular files; one that has several names in the tree counts once. */
  readonly bytes: number;
  /** Of these, bytes that stay when the tree goes, because they have names outside of it, too. */
  readonly sharedBytes: number;
  /** Names of everything that is no directory. */
  readonly files: number;
  /** Directories, with the tree's own. */
  readonly directories: number;
  /** SHA-256 in hex over names, types, sizes, modification times and inodes: two are equal when nothing changed. */
  readonly digest: string;
  /** Latest modification of a file or directory, in milliseconds since 1970. */
  readonly newestMtimeMs: number;
  /** Latest reading of a regular file, in milliseconds since 1970, as far as the mount keeps it; -Infinity: no file. */
  readonly newestAtimeMs: number;
  readonly hasForeignDevice: boolean;
  /** What could not be looked at, at most {@link MAX_UNREADABLE} of it. */
  readonly unreadable: readonly Unreadable[];
}

/** Whether a measurement says everything about a tree. Where it does not, nothing may be taken away. */
export function isKnown({ hasForeignDevice, unreadable }: TreeFigures): boolean {
  return !hasForeignDevice && unreadable.length === 0;
}

/** The first hundred say what is wrong; a million would only take memory. */
const MAX_UNREADABLE = 100;
/** Directories read at once, and names of one directory looked at together. */
const CONCURRENCY = 8;
const CHUNK = 64;
/** A program that looks whether somebody works here reads these; that is no use of the directory. */
const LOCK_FILE = /\.lock$/;

/** What was counted of a tree so far. */
export interface Tally {
  bytes: number;
  files: number;
  directories: number;
  newestMtimeMs: number;
  newestAtimeMs: number;
  hasForeignDevice: boolean;
  readonly unreadable: Unreadable[];
  /** Files with several names: how many of them are in the tree. */
  readonly linked: Map<bigint, { readonly size: number; readonly names: bigint; seen: bigint }>;
}

/** What a tree holds, without the digest that tells one state of it from another. */
export type TreeFigures = Omit<Measurement, "digest">;

/**
 * Measures the tree at `path`, whose links on the way to it are followed, but which is no link itself. Names are taken
 * as bytes. Of a million files only the names of the directories being read are in memory at a time.
 *
 * The times of reading that it returns are of files: looking at a tree changes those of directories.
 *
 * Throws `interrupted` when the signal is aborted, and the system's error when the tree itself cannot be looked at:
 * ENOENT when it is not there, ENOTDIR when it is no directory.
 */
export async function measureTree(path: string, options: MeasureOptions): Promise<Measurement> {
  throwIfAborted(options.signal);
  const root = await withTimeLimit(() => lstat(path, { bigint: true }), options.timeLimitSeconds, path);
  const tally = startTally(path, root);
  /** One for each directory, 32 bytes as latin1. */
  const digests = [line("", root)];
  const base = latin1(path);
  const pending = [""];
  const running = new Set<Promise<void>>();
  const step = async (way: string) => {
    for (const below of await measureDirectory(base, way, { root, tally, digests }, options)) pending.push(below);
  };
  try {
    while (pending.length > 0 || running.size > 0) {
      throwIfAborted(options.signal);
      const next = running.size < CONCURRENCY ? pending.pop() : undefined;
      if (next === undefined) await Promise.race(running);
      else {
        const task: Promise<void> = step(next).finally(() => running.delete(task));
        running.add(task);
      }
    }
  } finally {
    await Promise.allSettled(running);
  }
  const hash = createHash("sha256");
  for (const digest of digests.sort()) hash.update(digest, "latin1");
  return { ...figuresOf(tally), digest: hash.digest("hex") };
}

/** Nothing was counted yet but the tree's own directory. Throws ENOTDIR when it is none. */
export function startTally(path: string, root: BigIntStats): Tally {
  if (!root.isDirectory()) throw Object.assign(new Error(`${path} is not a directory`), { code: "ENOTDIR" });
  return {
    bytes: 0,
    files: 0,
    directories: 1,
    newestMtimeMs: Number(root.mtimeMs),
    newestAtimeMs: -Infinity,
    hasForeignDevice: false,
    unreadable: [],
    linked: new Map(),
  };
}

/** Notes that something could not be looked at; its path is bytes as latin1. Throws errors that are not the system's. */
export function noteFailure({ unreadable }: Tally, bytes: string, error: unknown): void {
  const code = errnoOf(error);
  if (code === undefined) throw error;
  if (unreadable.length < MAX_UNREADABLE) unreadable.push({ path: bytesOf(bytes).toString("utf8"), code });
}

/** Adds what one directory holds to the tally and returns the directories in it. Paths are bytes as latin1. */
async function measureDirectory(
  base: string,
  way: string,
  { root, tally, digests }: { readonly root: BigIntStats; readonly tally: Tally; readonly digests: string[] },
  { signal, timeLimitSeconds }: MeasureOptions,
): Promise<string[]> {
  const directory = `${base}${way}`;
  const fail = (bytes: string, error: unknown) => noteFailure(tally, bytes, error);
  let names: string[];
  try {
    const reading = () => readdir(bytesOf(directory), { encoding: "latin1" });
    names = await withTimeLimit(reading, timeLimitSeconds, directory);
  } catch (error) {
    fail(directory, error);
    return [];
  }
  names.sort();
  const hash = createHash("sha256").update(`${way}\0`, "latin1");
  const below: string[] = [];
  for (let start = 0; start < names.length; start += CHUNK) {
    throwIfAborted(signal);
    const chunk = names.slice(start, start + CHUNK);
    const looks = () =>
      Promise.allSettled(chunk.map((name) => lstat(bytesOf(`${directory}/${name}`), { bigint: true })));
    let found: Awaited<ReturnType<typeof looks>>;
    try {
      found = await withTimeLimit(looks, timeLimitSeconds, directory);
    } catch (error) {
      fail(directory, error);
      return below;
    }
    for (const [index, name] of chunk.entries()) {
      const look = found[index];
      if (look?.status !== "fulfilled") fail(`${directory}/${name}`, look?.reason);
      else {
        hash.update(line(name, look.value), "latin1");
        if (count(name, look.value, root.dev, tally)) below.push(`${way}/${name}`);
      }
    }
  }
  digests.push(hash.digest().toString("latin1"));
  return below;
}

/** Adds one name (bytes as latin1) to the tally of a tree on a device; `true` for a directory to descend into. */
export function count(name: string, stats: BigIntStats, device: bigint, tally: Tally): boolean {
  tally.newestMtimeMs = Math.max(tally.newestMtimeMs, Number(stats.mtimeMs));
  if (stats.isDirectory()) {
    tally.directories += 1;
    if (stats.dev === device) return true;
    tally.hasForeignDevice = true;
    return false;
  }
  tally.files += 1;
  if (!stats.isFile()) return false;
  if (!LOCK_FILE.test(name)) tally.newestAtimeMs = Math.max(tally.newestAtimeMs, Number(stats.atimeMs));
  const size = Number(stats.size);
  const known = stats.nlink > 1n ? tally.linked.get(stats.ino) : undefined;
  if (known !== undefined) known.seen += 1n;
  else {
    tally.bytes += size;
    if (stats.nlink > 1n) tally.linked.set(stats.ino, { size, names: stats.nlink, seen: 1n });
  }
  return false;
}

/** What all of it adds up to. */
export function figuresOf({ linked, ...figures }: Tally): TreeFigures {
  let sharedBytes = 0;
  for (const { size, names, seen } of linked.values()) if (seen < names) sharedBytes += size;
  return { ...figures, sharedBytes };
}

/** What the digest holds of a name: no name holds a NUL, so no two names and states make the same line. */
function line(name: string, stats: BigIntStats): string {
  const type = Number(stats.mode) >> 12;
  return `${name}\0${type} ${stats.size} ${stats.mtimeNs} ${stats.ino}\n`;
}

/** The bytes of a path as latin1, and back. */
export const latin1 = (path: string) => Buffer.from(path).toString("latin1");
export const bytesOf = (text: string) => Buffer.from(text, "latin1");
