import { Type } from "typebox";

import { applyPlan } from "../apply.ts";
import { defineOperation } from "../operation.ts";
import { reportOutcome, reportSummary, ReportSummary, reportView } from "../report-view.ts";
import { Detail } from "./input.ts";

/** Carries out one plan. */
export const apply = defineOperation({
  name: "apply",
  title: "Apply a plan",
  description:
    "Carries out exactly one plan, once: refuses whatever changed since it was made, backs up before it writes, verifies afterwards. Asking again returns the same report.",
  effect: "destroy",
  input: Type.Object(
    {
      plan: Type.String({ minLength: 1, description: "Id of the plan." }),
      digest: Type.Optional(Type.String({ description: "Digest of the plan; when given, it must agree." })),
      detail: Detail,
    },
    { additionalProperties: false },
  ),
  positional: "plan",
  output: ReportSummary,
  async run({ plan, digest, detail }, context) {
    return reportSummary(await applyPlan(plan, digest, context), detail);
  },
  outcome: reportOutcome,
  view: reportView,
});
