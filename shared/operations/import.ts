import { Type, type Static } from "typebox";

import { chooseRoots } from "../cache.ts";
import { importProbes } from "../caches/probe/media-audit/import.ts";
import { Trouble } from "../finding.ts";
import { defineOperation } from "../operation.ts";
import { printable } from "../printable.ts";
import { healthyAmong } from "../roots.ts";
import { count } from "../view.ts";
import { Places } from "./input.ts";

const Output = Type.Object(
  {
    entries: Type.Integer({ minimum: 0, description: "Entries that were looked at." }),
    imported: Type.Integer({ minimum: 0, description: "Probe results that the central cache has now." }),
    alreadyThere: Type.Integer({ minimum: 0, description: "Files whose result it had." }),
    unusable: Type.Record(Type.String(), Type.Integer({ minimum: 1 }), {
      description: "Entries that cannot be taken over, by the rule that says why.",
    }),
    errors: Type.Array(Trouble, { description: "What could not be looked at." }),
  },
  { additionalProperties: false },
);

/** Takes over what media-audit found out. */
export const importOperation = defineOperation({
  name: "import",
  title: "Import probe results",
  description:
    "Takes the probe results of media-audit's cache that still hold into the central cache, so that nothing is probed again. Reads its pickles as data and leaves its files alone.",
  effect: "write",
  isExtraTool: true,
  input: Type.Object({ paths: Places }, { additionalProperties: false }),
  positional: "paths",
  output: Output,
  async run({ paths = [] }, context) {
    const roots = (await chooseRoots(paths, ["probe"], context)).flatMap((part) => part.roots);
    const { passports, troubles } = await healthyAmong(roots, paths.length > 0, context);
    const { errors, ...figures } = await importProbes(passports, context);
    return { ...figures, errors: [...troubles, ...errors] };
  },
  outcome: () => "ok",
  view: ({ entries, imported, alreadyThere, unusable, errors }: Static<typeof Output>) => ({
    title: `${count(imported, "probe result")} imported.`,
    facts: [
      ["Entries", String(entries)],
      ["Already there", String(alreadyThere)],
    ],
    table: {
      columns: ["Not usable because", "Entries"],
      rows: Object.entries(unusable).map(([rule, number]) => [printable(rule), number]),
    },
    notes: errors.map(({ path, message }) => `${printable(path)}: ${printable(message)}`),
  }),
});
