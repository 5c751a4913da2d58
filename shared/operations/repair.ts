import { Type } from "typebox";

import { defineOperation } from "../operation.ts";
import { planOutcome, PlanSummary, planView, summaryOf } from "../plan-summary.ts";
import { makePlan, narrowPlan } from "../planner.ts";
import { parseDuration } from "../units.ts";
import { Allow, Detail, DurationText, Exclude, From, Include, Kinds, Only, Paths } from "./input.ts";

/** Plans the repair of damaged caches. */
export const repair = defineOperation({
  name: "repair",
  title: "Plan a repair",
  description:
    "Plans how damaged caches become readable again with every entry that can be saved, and corrects recorded names. Changes nothing.",
  effect: "read",
  input: Type.Object(
    {
      paths: Paths,
      kind: Kinds,
      migrate: Type.Optional(
        Type.Boolean({ description: "Also drop the fields only the older format has (file_path, action)." }),
      ),
      include: Include,
      exclude: Exclude,
      minAge: DurationText("Leave caches alone that were written within this time."),
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
  async run(input, context) {
    if (input.from !== undefined)
      return summaryOf(await narrowPlan(input.from, input.only, context), input.detail, context);
    const plan = await makePlan(
      {
        operation: "repair",
        paths: input.paths ?? [],
        kinds: input.kind,
        migrate: input.migrate === true,
        selection: {
          problems: ["corrupt", "drifted"],
          olderThanSeconds: undefined,
          include: input.include ?? [],
          exclude: input.exclude ?? [],
          maxEntries: undefined,
          minAgeSeconds: input.minAge === undefined ? 0 : parseDuration(input.minAge),
          allow: input.allow ?? [],
        },
      },
      context,
    );
    return summaryOf(plan, input.detail, context);
  },
  outcome: planOutcome,
  view: planView,
});
