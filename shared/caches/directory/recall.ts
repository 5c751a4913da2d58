import { setImmediate } from "node:timers/promises";

import type { InOrder } from "../../scan.ts";
import { throwIfAborted } from "../../time-limit.ts";
import type { Place } from "../../walk.ts";
import { addNoted, isCache, isUnchanged, NOTE_LENGTH, type Remembered } from "./remembered.ts";

/** How to compare what is remembered with what is there. */
export interface RecallOptions {
  readonly signal: AbortSignal;
  /** The time, in milliseconds since 1970. */
  readonly now: number;
  /** Trusts the times of directories alone: a cache that was written in place is not noticed. */
  readonly isFast: boolean;
}

/** A walk of one root that leaves out what did not change since an earlier one. */
export interface Recall {
  /** Directories to look into first. What lies below them is asked for by `choose`. */
  readonly begin: readonly Place[];
  /** How many directories are left out from the beginning. */
  readonly unchanged: number;
  /** Of a directory right below one that was looked into: what to look into there. */
  readonly choose: (below: Place) => readonly Place[];
  /** Takes the note of a directory that was looked into. */
  readonly note: (place: Place, notes: Float64Array, index: number) => void;
  /** What is known when all was looked into. */
  readonly end: () => Recalled;
}

/** What is known of a root after a walk. */
export interface Recalled {
  /** The sums of all caches in order, left out or looked into. */
  readonly inOrder: InOrder;
  /** Whether a cache in order lies in this directory. */
  readonly hasCache: (directory: string) => boolean;
  /** What to remember from now on; `undefined`: the same as before. */
  readonly remembered: Remembered | undefined;
}

/** Compared in one stretch, so that others get their turn. */
const STRETCH = 2000;

/** Compares a root with what is remembered of it. Synchronous calls: only for roots that answer at once. */
export async function recall(root: string, earlier: Remembered, options: RecallOptions): Promise<Recall> {
  const { paths, notes } = earlier;
  const prefix = root.endsWith("/") ? root : `${root}/`;
  const pathOf = (relative: string) => (relative === "" ? root : prefix + relative);
  const relativeOf = (path: string) => path.slice(prefix.length);
  const isSame = new Uint8Array(paths.length);
  let same = 0;
  for (const [index, path] of paths.entries()) {
    if (index % STRETCH === STRETCH - 1) await setImmediate();
    throwIfAborted(options.signal);
    if (!isUnchanged(pathOf(path), notes, index, options.now, options.isFast)) continue;
    isSame[index] = 1;
    same += 1;
  }
  /** 1: left out, as its way there and itself are the same. */
  const isLeftOut = new Uint8Array(paths.length);
  const tree = same < paths.length || same === 0 ? treeOf(paths) : undefined;
  const enter = (index: number): Place[] => {
    const places: Place[] = [];
    const pending = [index];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      if (isSame[next] !== 1) places.push({ root, path: pathOf(paths[next] ?? "") });
      else {
        isLeftOut[next] = 1;
        for (const child of tree?.children.get(next) ?? []) pending.push(child);
      }
    }
    return places;
  };
  let begin: readonly Place[] = [];
  if (tree === undefined) isLeftOut.fill(1);
  else {
    const first = tree.indexes.get("");
    begin = first === undefined ? [{ root, path: root }] : enter(first);
  }
  const freshPaths: string[] = [];
  const freshNotes: number[] = [];
  return {
    begin,
    unchanged: isLeftOut.reduce((sum, flag) => sum + flag, 0),
    choose: (place) => {
      const index = tree?.indexes.get(relativeOf(place.path));
      return index === undefined ? [place] : enter(index);
    },
    note: (place, from, index) => {
      freshPaths.push(relativeOf(place.path));
      for (const number of from.subarray(index * NOTE_LENGTH, (index + 1) * NOTE_LENGTH)) freshNotes.push(number);
    },
    end: () => {
      const fresh = { paths: freshPaths, notes: Float64Array.from(freshNotes) };
      const all = joined(leftOut(earlier, isLeftOut), fresh);
      const inOrder: InOrder = { root, caches: 0, entries: 0, newest: { cache: "", mtimeMs: 0 } };
      for (const [index, path] of all.paths.entries()) addNoted(inOrder, all.notes, index, pathOf(path));
      const hasCache = (directory: string) => {
        const index = all.paths.indexOf(relativeOf(directory));
        return index >= 0 && isCache(all.notes, index);
      };
      return { inOrder, hasCache, remembered: tree === undefined ? undefined : all };
    },
  };
}

/** Directories by their paths, and those right below each. */
function treeOf(paths: readonly string[]) {
  const indexes = new Map(paths.map((path, index) => [path, index]));
  const children = new Map<number, number[]>();
  for (const [index, path] of paths.entries()) {
    const parent = path === "" ? undefined : indexes.get(path.slice(0, Math.max(0, path.lastIndexOf("/"))));
    if (parent === undefined) continue;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [index]);
    else siblings.push(index);
  }
  return { indexes, children };
}

function leftOut({ paths, notes }: Remembered, isLeftOut: Uint8Array): Remembered {
  if (isLeftOut.every((flag) => flag === 1)) return { paths, notes };
  const kept = [...paths.keys()].filter((index) => isLeftOut[index] === 1);
  const numbers = new Float64Array(kept.length * NOTE_LENGTH);
  for (const [place, index] of kept.entries()) {
    numbers.set(notes.subarray(index * NOTE_LENGTH, (index + 1) * NOTE_LENGTH), place * NOTE_LENGTH);
  }
  return { paths: kept.map((index) => paths[index] ?? ""), notes: numbers };
}

function joined(first: Remembered, second: Remembered): Remembered {
  if (second.paths.length === 0) return first;
  const notes = new Float64Array(first.notes.length + second.notes.length);
  notes.set(first.notes);
  notes.set(second.notes, first.notes.length);
  return { paths: [...first.paths, ...second.paths], notes };
}
