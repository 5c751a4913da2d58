import { lstatSync, type Stats } from "node:fs";

import { errnoOf } from "../../errors.ts";
import type { InOrder } from "../../scan.ts";
import { CACHE_NAME } from "./names.ts";

/*
 * What a look by names remembers of directories, so that the next one can pass over those that did not change: one or
 * two looks at each instead of reading it and its cache.
 *
 * (R1) Only what was in order by the names alone is remembered: nothing was found, nothing had to be looked up.
 * (R2) A directory counts as unchanged while its inode and both its times are the same, and those of its cache: what
 *      sets a modification time back cannot set the change time. Media that changes in place changes neither, but a
 *      look by names does not ask for that.
 * (R3) What was changed within the last seconds, or in the future, is not remembered: the times of a file system may
 *      go in steps of two seconds, so another change could leave them the same.
 * (R4) Nothing is remembered for longer than a week.
 * (R5) Only disks of this host (`local.ts`): shares hold times back, and unions show those of one of their parts.
 */

/** Numbers of a note, in this order: all times in milliseconds since 1970. */
const [CHANGED, MODIFIED, INODE, CACHE_CHANGED, CACHE_MODIFIED, CACHE_SIZE, ENTRIES, LOOKED] = [0, 1, 2, 3, 4, 5, 6, 7];
/** How many numbers a note has. */
export const NOTE_LENGTH = 8;

/** A cache in order, or that there is none. */
export interface OrderedCache {
  readonly entries: number;
  /** Of the cache file; size -1: there is none. */
  readonly size: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
}

/** How coarse times may be, and a little more. */
const SETTLED_MS = 2500;
const WEEK_MS = 7 * 86_400_000;

/**
 * Writes the note of a directory in order that was looked into at `now`; `directory` is how it was before it was read,
 * or nothing when it is to be looked into again the next time.
 */
export function noteDown(
  notes: Float64Array,
  index: number,
  directory: Stats | undefined,
  { entries, size, mtimeMs, ctimeMs }: OrderedCache,
  now: number,
): void {
  const [changedMs, modifiedMs, inode] = directory ? [directory.ctimeMs, directory.mtimeMs, directory.ino] : [0, 0, 0];
  const isSettled = Math.max(changedMs, mtimeMs, ctimeMs) < now - SETTLED_MS;
  const note = [isSettled ? changedMs : 0, modifiedMs, inode, ctimeMs, mtimeMs, size, entries, now];
  notes.set(note, index * NOTE_LENGTH);
}

/** Directories below a root by their paths relative to it, and a note of each. Those not in order have one of zeros. */
export interface Remembered {
  readonly paths: readonly string[];
  readonly notes: Float64Array;
}

/** Whether a directory and its cache are as they were noted; `isFast`: without a look at the cache. Synchronous. */
export function isUnchanged(path: string, notes: Float64Array, index: number, now: number, isFast: boolean): boolean {
  const at = index * NOTE_LENGTH;
  const number = (which: number) => notes[at + which] ?? 0;
  if (number(CHANGED) === 0 || !(Math.abs(now - number(LOOKED)) < WEEK_MS)) return false;
  const directory = statsNow(path);
  if (
    directory?.ctimeMs !== number(CHANGED) ||
    directory.mtimeMs !== number(MODIFIED) ||
    directory.ino !== number(INODE)
  ) {
    return false;
  }
  if (isFast || number(CACHE_SIZE) < 0) return true;
  const cache = statsNow(`${path}/${CACHE_NAME}`);
  return (
    cache?.ctimeMs === number(CACHE_CHANGED) &&
    cache.mtimeMs === number(CACHE_MODIFIED) &&
    cache.size === number(CACHE_SIZE)
  );
}

/** What is there, no link followed; `undefined` when there is nothing or it does not say. */
export function statsNow(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

/** Whether a note is about a cache in order. */
export function isCache(notes: Float64Array, index: number): boolean {
  const at = index * NOTE_LENGTH;
  return notes[at + LOOKED] !== 0 && (notes[at + CACHE_SIZE] ?? -1) >= 0;
}

/** Adds what is noted of a directory to the sums of its root. */
export function addNoted(sums: InOrder, notes: Float64Array, index: number, path: string): void {
  if (!isCache(notes, index)) return;
  const at = index * NOTE_LENGTH;
  sums.caches += 1;
  sums.entries += notes[at + ENTRIES] ?? 0;
  const mtimeMs = notes[at + CACHE_MODIFIED] ?? 0;
  if (mtimeMs > sums.newest.mtimeMs) sums.newest = { cache: `${path}/${CACHE_NAME}`, mtimeMs };
}
