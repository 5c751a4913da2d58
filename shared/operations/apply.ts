import { Type } from "typebox";

import { applyPlan } from "../apply.ts";
import { assertSize } from "../bounds.ts";
import { assertConfined } from "../library.ts";
import { defineOperation } from "../operation.ts";
import { rootsOf } from "../passport.ts";
import { loadPlan } from "../plans.ts";
import { reportOutcome, reportSummary, ReportSummary, reportView } from "../report-view.ts";
import { applySentence, assertAcknowledged } from "../sentence.ts";
import { Acknowledge, Detail } from "./input.ts";

/** Carries out one plan. */
export const apply = defineOperation({
  name: "apply",
  title: "Apply a plan",
  description:
    "Carries out exactly one plan, once: refuses whatever changed since, backs up before it writes, verifies afterwards. Asking again returns the same report.",
  effect: "destroy",
  input: Type.Object(
    {
      plan: Type.String({ minLength: 1, description: "Id of the plan." }),
      digest: Type.Optional(Type.String({ description: "Must agree, when given." })),
      acknowledge: Acknowledge,
      detail: Detail,
    },
    { additionalProperties: false },
  ),
  positional: "plan",
  output: ReportSummary,
  rows: "outcomes",
  async run({ plan: id, digest, acknowledge, detail }, context) {
    const { plan, run } = loadPlan(context.state(), id);
    await assertConfined(rootsOf(plan.passports), context);
    if (run === null) assertSize(plan, context);
    assertAcknowledged(acknowledge, applySentence(plan, context.configuration));
    return reportSummary(await applyPlan(id, digest, context), detail);
  },
  outcome: reportOutcome,
  view: reportView,
});
