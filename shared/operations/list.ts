import { Type } from "typebox";

import { ByProblem, countByProblem, Kind, Trouble } from "../finding.ts";
import { defineOperation } from "../operation.ts";
import { printable } from "../printable.ts";
import { formatBytes } from "../units.ts";
import { count } from "../view.ts";
import { Paths } from "./input.ts";
import { look } from "./look.ts";

const CacheLine = Type.Object(
  {
    kind: Kind,
    cache: Type.String(),
    root: Type.String(),
    entries: Type.Integer(),
    bytes: Type.Integer({ description: "Size of the cache file." }),
    modifiedAt: Type.String(),
    byProblem: ByProblem,
  },
  { additionalProperties: false },
);

/** Lists the caches. */
export const list = defineOperation({
  name: "list",
  title: "List caches",
  description: "Lists every cache file with its entries, size, age and problems.",
  effect: "read",
  input: Type.Object({ paths: Paths }, { additionalProperties: false }),
  positional: "paths",
  output: Type.Object(
    { caches: Type.Array(CacheLine), total: Type.Integer(), errors: Type.Array(Trouble) },
    { additionalProperties: false },
  ),
  rows: "caches",
  async run({ paths }, context) {
    const scan = await look(paths ?? [], context);
    const byCache = Map.groupBy(scan.found, ({ finding }) => finding.cache);
    const caches = scan.caches.map(({ cache, root, entries, content, mtimeMs }) => ({
      kind: "directory" as const,
      cache,
      root,
      entries,
      bytes: content.size,
      modifiedAt: new Date(mtimeMs).toISOString(),
      byProblem: countByProblem((byCache.get(cache) ?? []).map(({ finding }) => finding)),
    }));
    return { caches, total: caches.length, errors: [...scan.troubles] };
  },
  outcome: () => "ok",
  view: ({ caches, errors }) => ({
    title: `${count(caches.length, "cache")}.`,
    facts: [
      ["Entries", String(caches.reduce((sum, { entries }) => sum + entries, 0))],
      ["Size", formatBytes(caches.reduce((sum, { bytes }) => sum + bytes, 0))],
    ],
    table: {
      columns: ["Cache", "Entries", "Size", "Modified", "Problems"],
      rows: caches.map(({ cache, entries, bytes, modifiedAt, byProblem }) => [
        printable(cache),
        entries,
        formatBytes(bytes),
        modifiedAt.slice(0, 16).replace("T", " "),
        Object.entries(byProblem)
          .map(([problem, number]) => `${number} ${problem}`)
          .join(", "),
      ]),
    },
    notes: errors.map(({ path, message }) => `${printable(path)}: ${message}`),
  }),
});
