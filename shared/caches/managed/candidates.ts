import type { Candidates, ManagedEntry } from "./managed-store.ts";

/** What is being put together for a policy. */
export interface CandidateColumns {
  add(entry: Omit<ManagedEntry, "files">): void;
  /** All that was added. Nothing can be added any more. */
  finish(): Candidates;
}

/** Puts entries into columns, with room for so many at first; it grows when more come. */
export function startCandidates(expected: number): CandidateColumns {
  let count = 0;
  let columns = makeColumns(Math.max(expected, 16));
  // All paths in one buffer, as UTF-8: a million strings would take twice the memory.
  let paths = Buffer.allocUnsafe(columns.ends.length * 32);
  return {
    add(entry) {
      if (count === columns.ends.length) columns = makeColumns(count * 2, columns);
      columns.bytes[count] = entry.bytes;
      columns.registeredAt[count] = entry.registeredAt;
      columns.accessedAt[count] = entry.accessedAt;
      columns.expiresAt[count] = entry.expiresAt ?? Number.NaN;
      columns.accesses[count] = entry.accesses;
      columns.refillSeconds[count] = entry.refillSeconds ?? Number.NaN;
      columns.pinned[count] = entry.isPinned ? 1 : 0;
      const start = columns.ends[count - 1] ?? 0;
      const most = start + entry.path.length * 3;
      if (most > paths.length) {
        const larger = Buffer.allocUnsafe(Math.max(most, paths.length * 2));
        paths.copy(larger, 0, 0, start);
        paths = larger;
      }
      columns.ends[count] = start + paths.write(entry.path, start, "utf8");
      count += 1;
    },
    finish() {
      const { ends } = columns;
      return {
        count,
        bytes: columns.bytes.subarray(0, count),
        registeredAt: columns.registeredAt.subarray(0, count),
        accessedAt: columns.accessedAt.subarray(0, count),
        expiresAt: columns.expiresAt.subarray(0, count),
        accesses: columns.accesses.subarray(0, count),
        refillSeconds: columns.refillSeconds.subarray(0, count),
        pinned: columns.pinned.subarray(0, count),
        pathOf(index) {
          if (!(index >= 0 && index < count)) throw new RangeError(`there is no candidate ${index}`);
          return paths.toString("utf8", ends[index - 1] ?? 0, ends[index]);
        },
      };
    },
  };
}

type Columns = Omit<Candidates, "count" | "pathOf"> & {
  /** Where in the buffer each path ends; it begins where the one before ends. */
  readonly ends: Float64Array;
};

function makeColumns(room: number, from?: Columns): Columns {
  const numbers = (before: Float64Array | undefined) => {
    const column = new Float64Array(room);
    if (before !== undefined) column.set(before);
    return column;
  };
  const pinned = new Uint8Array(room);
  if (from !== undefined) pinned.set(from.pinned);
  return {
    bytes: numbers(from?.bytes),
    registeredAt: numbers(from?.registeredAt),
    accessedAt: numbers(from?.accessedAt),
    expiresAt: numbers(from?.expiresAt),
    accesses: numbers(from?.accesses),
    refillSeconds: numbers(from?.refillSeconds),
    pinned,
    ends: numbers(from?.ends),
  };
}
