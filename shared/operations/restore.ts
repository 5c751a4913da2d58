import { Type } from "typebox";

import { planRestore } from "../archive/restore-plan.ts";
import { defineOperation } from "../operation.ts";
import { planOutcome, PlanSummary, planView, summaryOf } from "../plan-summary.ts";
import { Allow, Archive, Detail } from "./input.ts";

const Patterns = (description: string) => Type.Optional(Type.Array(Type.String({ minLength: 1 }), { description }));

/** Plans how caches become again as a backup holds them. */
export const restore = defineOperation({
  name: "restore",
  title: "Plan a restore",
  description:
    "Verifies a whole backup and plans to put back every cache that differs from it: bytes, mode, owner and time. Leaves all others alone. Changes nothing: apply does.",
  effect: "read",
  isExtraTool: true,
  input: Type.Object(
    {
      archive: Archive,
      paths: Type.Optional(
        Type.Array(Type.String({ minLength: 1, maxLength: 4096, pattern: "^[^\\u0000]*$" }), {
          description: "Names of libraries in the backup, or directories (absolute), to restore no more than these.",
        }),
      ),
      include: Patterns("Only caches whose path below the root matches one of these patterns."),
      exclude: Patterns("Not caches whose path below the root matches one of these patterns."),
      to: Type.Optional(
        Type.String({
          minLength: 1,
          maxLength: 4096,
          pattern: "^[^\\u0000]*$",
          description: "Another directory to restore one root into (absolute); its directories must be there.",
        }),
      ),
      allow: Allow,
      detail: Detail,
    },
    { additionalProperties: false },
  ),
  positional: "archive",
  output: PlanSummary,
  rows: "changes",
  async run(input, context) {
    const { archive, paths = [], include = [], exclude = [], to, allow = [], detail } = input;
    const plan = await planRestore({ archive, paths, include, exclude, to, allow }, context);
    return summaryOf(plan, detail, context);
  },
  outcome: planOutcome,
  view: planView,
});
