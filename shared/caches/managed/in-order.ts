import type { Candidates } from "./managed-store.ts";

/** A stretch of items that is in its place as a whole. `level` says by what it is to be sorted. */
interface Part {
  readonly from: number;
  readonly to: number;
  readonly level: number;
  /** Whether the keys of its items are those of its level already. */
  readonly hasKeys: boolean;
}

/** Parts up to this length are sorted by insertion. */
const SHORT = 16;

/**
 * Hands over candidates, given by their indices, by rank (a number for each candidate, the lowest first), then by last
 * access, then by path, until `visit` says that it is enough. Reorders `items`.
 *
 * A quicksort that sorts only as far as it is read. The numbers it compares lie beside the items, so that it runs
 * through memory and calls nothing.
 */
export function readInOrder(
  candidates: Candidates,
  items: Uint32Array,
  rank: Float64Array,
  visit: (item: number) => boolean,
): void {
  const { accessedAt } = candidates;
  const columns = rank === accessedAt ? [rank] : [rank, accessedAt];
  const keys = new Float64Array(items.length);
  const waiting: Part[] = [{ from: 0, to: items.length, level: 0, hasKeys: false }];
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    const { from, to, level, hasKeys } = part;
    const column = columns[level];
    if (column === undefined && to - from > 1) sortByPath(items.subarray(from, to), candidates);
    if (column === undefined || to - from < 2) {
      for (let place = from; place < to; place += 1) if (visit(items[place] ?? 0)) return;
      continue;
    }
    if (!hasKeys) for (let place = from; place < to; place += 1) keys[place] = column[items[place] ?? 0] ?? 0;
    if (to - from <= SHORT) {
      insertionSort(items, keys, from, to);
      let start = from;
      for (; start < to && (start + 1 === to || keys[start] !== keys[start + 1]); start += 1) {
        if (visit(items[start] ?? 0)) return;
      }
      if (start === to) continue;
      let end = start + 1;
      while (end < to && keys[end] === keys[start]) end += 1;
      waiting.push({ from: end, to, level, hasKeys: true }, { from: start, to: end, level: level + 1, hasKeys: false });
      continue;
    }
    const { less, more } = partition(items, keys, from, to, keys[(from + to) >>> 1] ?? 0);
    waiting.push(
      { from: more, to, level, hasKeys: true },
      { from: less, to: more, level: level + 1, hasKeys: false },
      { from, to: less, level, hasKeys: true },
    );
  }
}

/** Reorders items and keys: up to `less` those before the pivot, up to `more` the equal ones, then those after. */
function partition(items: Uint32Array, keys: Float64Array, from: number, to: number, pivot: number) {
  let less = from;
  let more = from;
  for (let place = from; place < to; place += 1) {
    const key = keys[place] ?? 0;
    if (key > pivot) continue;
    const item = items[place] ?? 0;
    // The first of those after goes where this one was, and the first of the equal ones goes there.
    items[place] = items[more] ?? 0;
    keys[place] = keys[more] ?? 0;
    items[more] = items[less] ?? 0;
    keys[more] = keys[less] ?? 0;
    more += 1;
    if (key < pivot) {
      items[less] = item;
      keys[less] = key;
      less += 1;
    } else {
      items[more - 1] = item;
      keys[more - 1] = key;
    }
  }
  return { less, more };
}

function insertionSort(items: Uint32Array, keys: Float64Array, from: number, to: number): void {
  for (let next = from + 1; next < to; next += 1) {
    const [item, key] = [items[next] ?? 0, keys[next] ?? 0];
    let place = next;
    for (; place > from && (keys[place - 1] ?? 0) > key; place -= 1) {
      items[place] = items[place - 1] ?? 0;
      keys[place] = keys[place - 1] ?? 0;
    }
    items[place] = item;
    keys[place] = key;
  }
}

/** Sorts items whose numbers are all the same. */
function sortByPath(items: Uint32Array, candidates: Candidates): void {
  const paths = new Map(Array.from(items, (item) => [item, candidates.pathOf(item)] as const));
  items.sort((one, other) => ((paths.get(one) ?? "") < (paths.get(other) ?? "") ? -1 : 1));
}
