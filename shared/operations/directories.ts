import { Type } from "typebox";

import { managedCacheFor } from "../caches/managed/configured.ts";
import type { ManagedEntry, ManagedStore } from "../caches/managed/managed-store.ts";
import { withManagedStore } from "../caches/managed/open.ts";
import { defineOperation } from "../operation.ts";
import { formatBytes } from "../units.ts";
import { count } from "../view.ts";
import { ManagedName } from "./input.ts";
import { DIRECTORY_COLUMNS, directoryCells, ManagedDirectory, directoryOf } from "./managed-view.ts";

/** Lists the directories of a managed cache. */
export const directories = defineOperation({
  name: "directories",
  title: "List managed directories",
  description: "Lists the directories of a managed cache: size, last use, expiry, pins.",
  effect: "read",
  isExtraTool: true,
  input: Type.Object(
    {
      cache: ManagedName,
      order: Type.Optional(
        Type.Enum(["newest", "oldest", "largest"], {
          description: "newest: last used first (default); oldest: longest unused first.",
        }),
      ),
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 1000, description: "At most this many. Default: 100." }),
      ),
      offset: Type.Optional(Type.Integer({ minimum: 0, description: "Leave out so many of the first." })),
    },
    { additionalProperties: false },
  ),
  positional: "cache",
  output: Type.Object(
    {
      cache: Type.String(),
      registered: Type.Integer({ description: "All that are registered." }),
      bytes: Type.Integer({ description: "Bytes of all of them." }),
      maxBytes: Type.Union([Type.Integer(), Type.Null()], { description: "The quota." }),
      directories: Type.Array(ManagedDirectory),
    },
    { additionalProperties: false },
  ),
  rows: "directories",
  async run({ cache: name, order = "newest", limit = 100, offset = 0 }, context) {
    const cache = await managedCacheFor(name, undefined, context);
    return withManagedStore(cache, context, async (store) => {
      const { directories: registered, bytes } = await store.totals();
      const rows =
        order === "largest"
          ? await largest(store, offset, limit)
          : await store.list({ offset, limit, newestFirst: order === "newest" });
      return {
        cache: cache.name,
        registered,
        bytes,
        maxBytes: cache.maxBytes ?? null,
        directories: rows.map(directoryOf),
      };
    });
  },
  outcome: () => "ok",
  view: ({ cache, registered, bytes, maxBytes, directories: rows }) => ({
    title: `${count(registered, "directory", "directories")} in ${cache}${rows.length < registered ? `, ${rows.length} shown` : ""}.`,
    facts: [
      ["Size", formatBytes(bytes)],
      ...(maxBytes === null
        ? []
        : [["Quota", `${formatBytes(maxBytes)}, ${percentOf(bytes, maxBytes)} used`] as const]),
    ],
    table: { columns: DIRECTORY_COLUMNS, rows: rows.map(directoryCells) },
    notes: [],
  }),
});

/** Entries by size, ties by path as the register has them. */
async function largest(store: ManagedStore, offset: number, limit: number): Promise<ManagedEntry[]> {
  const candidates = await store.candidates();
  const order = Uint32Array.from({ length: candidates.count }, (_, index) => index).sort(
    (a, b) => (candidates.bytes[b] ?? 0) - (candidates.bytes[a] ?? 0) || a - b,
  );
  const entries: ManagedEntry[] = [];
  for (const index of order.subarray(offset, offset + limit)) {
    const entry = await store.get(candidates.pathOf(index));
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}

function percentOf(part: number, whole: number): string {
  return `${((part / whole) * 100).toFixed(1)} %`;
}
