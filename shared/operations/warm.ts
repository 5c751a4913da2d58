import { Type } from "typebox";

import { planWarm } from "../caches/managed/warm.ts";
import { defineOperation } from "../operation.ts";
import { planOutcome, PlanSummary, planView, summaryOf } from "../plan-summary.ts";
import { narrowPlan } from "../planner.ts";
import { Allow, Detail, From, ManagedName, ManagedPath, Only } from "./input.ts";

/** Plans which packed or archived directories come back. */
export const warm = defineOperation({
  name: "warm",
  title: "Plan to bring directories back",
  description:
    "Plans to bring packed or archived directories of a managed cache back to their places, verified; they count as used then. Changes nothing.",
  effect: "read",
  isExtraTool: true,
  input: Type.Object(
    {
      paths: Type.Optional(
        Type.Array(ManagedPath, { description: "The directories: relative to the root of the cache, or absolute." }),
      ),
      cache: ManagedName,
      allow: Allow,
      from: From,
      only: Only,
      detail: Detail,
    },
    { additionalProperties: false, dependentRequired: { only: ["from"] } },
  ),
  positional: "paths",
  output: PlanSummary,
  rows: "changes",
  async run({ paths = [], cache, allow = [], from, only, detail }, context) {
    const plan =
      from === undefined ? await planWarm({ cache, paths, allow }, context) : await narrowPlan(from, only, context);
    return summaryOf(plan, detail, context);
  },
  outcome: planOutcome,
  view: planView,
});
