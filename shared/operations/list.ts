import { Type } from "typebox";

import { ByProblem, countByProblem, Kind, Trouble } from "../finding.ts";
import { defineOperation } from "../operation.ts";
import { printable } from "../printable.ts";
import type { SeenCache } from "../scan.ts";
import { formatBytes } from "../units.ts";
import { count } from "../view.ts";
import { AnyKinds, Paths } from "./input.ts";
import { look } from "./look.ts";

const CacheLine = Type.Object(
  {
    kind: Kind,
    cache: Type.String(),
    root: Type.String(),
    entries: Type.Integer(),
    bytes: Type.Integer({ description: "Size of the cache file, or of all files of media-audit's cache." }),
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
  input: Type.Object({ paths: Paths, kind: AnyKinds }, { additionalProperties: false }),
  positional: "paths",
  output: Type.Object(
    { caches: Type.Array(CacheLine), total: Type.Integer(), errors: Type.Array(Trouble) },
    { additionalProperties: false },
  ),
  rows: "caches",
  async run({ paths, kind }, context) {
    const scan = await look(paths ?? [], context, kind);
    const seen = Map.groupBy(scan.caches, lineOf);
    const found = Map.groupBy(scan.found, ({ finding, root }) => lineOf({ ...finding, root }));
    const caches = [...seen].flatMap(([cache, files]) => {
      const [first] = files;
      if (first === undefined) return [];
      return {
        kind: first.kind,
        cache,
        root: first.root,
        entries: files.reduce((sum, { entries }) => sum + entries, 0),
        bytes: files.reduce((sum, { content }) => sum + content.size, 0),
        modifiedAt: new Date(first.mtimeMs).toISOString(),
        byProblem: countByProblem((found.get(cache) ?? []).map(({ finding }) => finding)),
      };
    });
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

/** What stands for a cache in the list: its file, or for media-audit's, which has a file an entry, its directory. */
function lineOf({ kind, cache, root }: Pick<SeenCache, "kind" | "cache" | "root">): string {
  return kind === "probe" ? root : cache;
}
