import { Type } from "typebox";

import { draftChanges } from "../cache.ts";
import { chooseEmptiable } from "../caches/engine/plan.ts";
import { defineOperation } from "../operation.ts";
import { planOutcome, PlanSummary, planView, summaryOf } from "../plan-summary.ts";
import { narrowPlan, storePlan } from "../planner.ts";
import { printable } from "../printable.ts";
import { Detail, From, Only } from "./input.ts";

/** Plans which caches in containers are emptied. */
export const empty = defineOperation({
  name: "empty",
  title: "Plan to empty engine caches",
  description:
    "Plans which caches in containers are emptied: only those whose engine is idle, and has been for its grace period. Changes nothing.",
  effect: "read",
  isExtraTool: true,
  input: Type.Object(
    {
      engine: Type.Optional(
        Type.Array(Type.String({ minLength: 1 }), { description: "Names of engine caches. Default: all." }),
      ),
      container: Type.Optional(
        Type.Array(Type.String({ minLength: 1 }), { description: "Only containers of these names or ids." }),
      ),
      from: From,
      only: Only,
      detail: Detail,
    },
    { additionalProperties: false, dependentRequired: { only: ["from"] } },
  ),
  positional: "engine",
  output: PlanSummary,
  rows: "changes",
  async run({ engine, container, from, only, detail }, context) {
    if (from !== undefined) return summaryOf(await narrowPlan(from, only, context), detail, context);
    const { changes, skipped, troubles } = await chooseEmptiable({ engines: engine, containers: container }, context);
    const draft = await draftChanges(
      changes.map((change, index) => ({ ...change, id: index + 1 })),
      [],
    );
    const parts = {
      operation: "empty",
      passports: [],
      blocked: [],
      kept: {},
      skipped: [...skipped],
      troubles: [...troubles],
    };
    return summaryOf(storePlan(draft, parts, context), detail, context);
  },
  outcome: planOutcome,
  view(summary) {
    const view = planView(summary);
    const left = summary.skipped.map(({ cache, observed }) => printable(`Left alone: ${cache} (${observed}).`));
    return { ...view, notes: [...left, ...view.notes] };
  },
});
