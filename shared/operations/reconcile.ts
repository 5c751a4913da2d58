import { Type } from "typebox";

import { managedCacheFor } from "../caches/managed/configured.ts";
import { withManagedStore } from "../caches/managed/open.ts";
import { reconcile as reconcileManaged } from "../caches/managed/reconcile.ts";
import { Trouble } from "../finding.ts";
import { defineOperation } from "../operation.ts";
import { printable } from "../printable.ts";
import { formatBytes } from "../units.ts";
import { count } from "../view.ts";
import { ManagedName } from "./input.ts";

/** Most names that are listed; the number says how many there are. */
const MAX_NAMES = 100;

const Figures = Type.Object({ directories: Type.Integer(), bytes: Type.Integer() }, { additionalProperties: false });

/** Makes the register of a managed cache say what the disk says. */
export const reconcile = defineOperation({
  name: "reconcile",
  title: "Reconcile register and disk",
  description:
    "Measures the directories of a managed cache: registers new ones, corrects sizes and last uses, forgets those that are gone. Touches no file.",
  effect: "write",
  isExtraTool: true,
  input: Type.Object({ cache: ManagedName }, { additionalProperties: false }),
  positional: "cache",
  output: Type.Object(
    {
      cache: Type.String(),
      registered: Type.Integer({ description: "New to the register." }),
      corrected: Type.Integer({ description: "Their size or last use was another." }),
      unchanged: Type.Integer(),
      untracked: Type.Integer({ description: "On the disk and left alone, because autoRegister is off." }),
      forgotten: Type.Integer({ description: "In the register and not on the disk." }),
      orphans: Type.Array(Type.String(), { description: `The forgotten ones, at most ${MAX_NAMES}.` }),
      before: Figures,
      after: Figures,
      errors: Type.Array(Trouble),
    },
    { additionalProperties: false },
  ),
  async run({ cache: name }, context) {
    const cache = await managedCacheFor(name, undefined, context);
    const found = await withManagedStore(cache, context, (store) => reconcileManaged(cache, store, context));
    const { registered, corrected, unchanged, untracked, orphans, before, after, troubles } = found;
    return {
      cache: cache.name,
      registered,
      corrected,
      unchanged,
      untracked,
      forgotten: orphans.length,
      orphans: orphans.slice(0, MAX_NAMES),
      before,
      after,
      errors: [...troubles],
    };
  },
  outcome: ({ errors }) => (errors.length > 0 ? "partial" : "ok"),
  view: (output) => ({
    title: `${output.cache} holds ${count(output.after.directories, "directory", "directories")}, ${formatBytes(output.after.bytes)}.`,
    facts: [
      [
        "Before",
        `${count(output.before.directories, "directory", "directories")}, ${formatBytes(output.before.bytes)}`,
      ],
    ],
    table: {
      columns: ["What", "Directories"],
      rows: [
        ["Registered", output.registered],
        ["Corrected", output.corrected],
        ["Unchanged", output.unchanged],
        ["Left alone", output.untracked],
        ["Forgotten", output.forgotten],
      ],
    },
    notes: [
      ...output.orphans.map((path) => `${printable(path)} was in the register and is gone.`),
      ...output.errors.map(({ path, message }) => `${printable(path)}: ${message}`),
    ],
  }),
});
