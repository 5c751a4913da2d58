import { Type, type Static } from "typebox";

import { chooseRoots } from "../cache.ts";
import { importMediaAudit } from "../caches/probe/media-audit/import.ts";
import { importMediabox } from "../caches/probe/mediabox-import.ts";
import { openProbeCache } from "../caches/probe/open.ts";
import type { Imported } from "../caches/probe/tally.ts";
import { Trouble } from "../finding.ts";
import { defineOperation } from "../operation.ts";
import { printable } from "../printable.ts";
import { healthyAmong } from "../roots.ts";
import { count } from "../view.ts";
import { Kinds, Paths } from "./input.ts";

const Output = Type.Object(
  {
    imported: Type.Integer({ minimum: 0, description: "Results that the central cache has now." }),
    origins: Type.Array(
      Type.Object(
        {
          origin: Type.Enum(["media-audit", "mediabox"], { description: "Results of mediabox are partial." }),
          entries: Type.Integer({ minimum: 0, description: "Entries that were looked at." }),
          imported: Type.Integer({ minimum: 0 }),
          alreadyThere: Type.Integer({ minimum: 0, description: "Files whose result the central cache had." }),
          unusable: Type.Record(Type.String(), Type.Integer({ minimum: 1 }), {
            description: "Entries and cache files that cannot be taken over, by the rule that says why.",
          }),
        },
        { additionalProperties: false },
      ),
      { description: "What was done, by the program it comes from." },
    ),
    errors: Type.Array(Trouble, { description: "What could not be looked at." }),
  },
  { additionalProperties: false },
);

/** Takes over what media-audit and mediabox found out. */
export const importOperation = defineOperation({
  name: "import",
  title: "Import probe results",
  description:
    "Takes what media-audit's and mediabox's caches know of media as it is now into the central cache, so that it need not be probed again. Only reads their files, pickles as data.",
  effect: "write",
  isExtraTool: true,
  input: Type.Object({ paths: Paths, kind: Kinds }, { additionalProperties: false }),
  positional: "paths",
  output: Output,
  async run({ paths = [], kind: kinds }, context) {
    const parts = await chooseRoots(paths, kinds, context);
    const cache = await openProbeCache(context);
    const done: Imported[] = [];
    const errors: Trouble[] = [];
    try {
      // media-audit's come last and are taken first: they are whole, and beside a whole result no part is wanted.
      for (const { kind, roots } of parts.toReversed()) {
        const isProbe = kind.kind === "probe";
        const { passports, troubles } = await healthyAmong(roots, !isProbe || paths.length > 0, context);
        const imported = await (isProbe ? importMediaAudit : importMediabox)(passports, cache, context);
        errors.push(...troubles, ...imported.errors);
        done.push(imported);
      }
    } finally {
      await cache.close();
    }
    const origins = done.map(({ figures }) => figures);
    return { imported: origins.reduce((sum, { imported }) => sum + imported, 0), origins, errors };
  },
  outcome: () => "ok",
  view: ({ imported, origins, errors }: Static<typeof Output>) => ({
    title: `${count(imported, "probe result")} imported.`,
    facts: [],
    table: {
      columns: ["From", "What", "Entries"],
      rows: origins.flatMap(({ origin, entries, imported: taken, alreadyThere, unusable }) => [
        [origin, "looked at", entries],
        [origin, "imported", taken],
        [origin, "already there", alreadyThere],
        ...Object.entries(unusable).map(([rule, number]) => [origin, `not usable: ${printable(rule)}`, number]),
      ]),
    },
    notes: errors.map(({ path, message }) => `${printable(path)}: ${printable(message)}`),
  }),
});
