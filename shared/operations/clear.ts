import { Type } from "typebox";

import { OVERRIDABLE, planClear } from "../caches/jellyfin/planned-clear.ts";
import { CleanupTask } from "../caches/jellyfin/tasks.ts";
import { Section } from "../caches/jellyfin/xtream.ts";
import { defineOperation } from "../operation.ts";
import { planOutcome, PlanSummary, planView, summaryOf } from "../plan-summary.ts";
import { narrowPlan } from "../planner.ts";
import { Detail, From, Only } from "./input.ts";

/** Plans what is cleared, refilled and tidied on Jellyfin servers. */
export const clear = defineOperation({
  name: "clear",
  title: "Plan to clear Jellyfin caches",
  description:
    "Plans to clear the Xtream channel caches of Jellyfin servers and to fill them again, or to run their own cleanup tasks. Changes nothing.",
  effect: "read",
  isExtraTool: true,
  input: Type.Object(
    {
      server: Type.Optional(
        Type.Array(Type.String({ minLength: 1 }), { description: "Names of Jellyfin servers. Default: all." }),
      ),
      section: Type.Optional(
        Type.Array(Section, {
          description: "Which caches of the Xtream plugin. Default: both, unless tasks are named.",
        }),
      ),
      task: Type.Optional(Type.Array(CleanupTask, { description: "Cleanup tasks of Jellyfin to run." })),
      refill: Type.Optional(
        Type.Boolean({
          default: true,
          description: "false: do not fill cleared caches again. Jellyfin drops their items until then.",
        }),
      ),
      allow: Type.Optional(
        Type.Array(Type.Enum([...OVERRIDABLE]), {
          description: "Guards to pass over, for this run only.",
        }),
      ),
      from: From,
      only: Only,
      detail: Detail,
    },
    { additionalProperties: false, dependentRequired: { only: ["from"] } },
  ),
  positional: "server",
  output: PlanSummary,
  rows: "changes",
  async run({ server, section, task, refill, allow, from, only, detail }, context) {
    if (from !== undefined) return summaryOf(await narrowPlan(from, only, context), detail, context);
    const request = {
      servers: server ?? [],
      sections: section ?? [],
      tasks: task ?? [],
      refills: refill !== false,
      allow: allow ?? [],
    };
    return summaryOf(await planClear(request, context), detail, context);
  },
  outcome: planOutcome,
  view: planView,
});
