import { Type } from "typebox";

import { CacheOpsError } from "../errors.ts";
import { STALE } from "../finding.ts";
import { defineOperation } from "../operation.ts";
import { planOutcome, PlanSummary, planView, summaryOf } from "../plan-summary.ts";
import { makePlan, narrowPlan } from "../planner.ts";
import { parseDuration } from "../units.ts";
import { Allow, Detail, DurationText, Exclude, From, Include, Kinds, Only, Paths } from "./input.ts";

/** Problems a cleanup may act on; `changed` only when it is asked for. */
const Removable = Type.Enum([...STALE, "changed"], { description: "A problem to act on." });

function depthOf({ full = false, fast = false }: { readonly full?: boolean; readonly fast?: boolean }) {
  if (full && fast) {
    throw new CacheOpsError("invalid_input", "full and fast ask for opposite things", { hint: "Give one of them." });
  }
  if (full) return "full";
  return fast ? "fast" : undefined;
}

/** Plans the removal of stale entries. */
export const cleanup = defineOperation({
  name: "cleanup",
  title: "Plan a cleanup",
  description:
    "Plans the removal of stale entries and leftovers, and shows exactly what would go and why. Changes nothing.",
  effect: "read",
  input: Type.Object(
    {
      paths: Paths,
      kind: Kinds,
      problem: Type.Optional(
        Type.Array(Removable, { description: "Only these problems. Default: all that are stale." }),
      ),
      changed: Type.Optional(
        Type.Boolean({ description: "Also entries whose media changed and that nothing replaces yet." }),
      ),
      olderThan: DurationText("Only entries last written longer ago; with problem expired: the age that expires."),
      include: Include,
      exclude: Exclude,
      maxEntries: Type.Optional(Type.Integer({ minimum: 1, description: "At most this many, the oldest first." })),
      unattended: Type.Optional(
        Type.Boolean({ description: "For cron: leave caches alone that were written lately." }),
      ),
      minAge: DurationText("Leave caches alone that were written within this time. Unattended: 24h."),
      full: Type.Optional(
        Type.Boolean({ description: "Compare every fingerprint, and pass over nothing for not having changed." }),
      ),
      fast: Type.Optional(
        Type.Boolean({ description: "Trust the times of directories: a cache written in place is not noticed." }),
      ),
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
    // Entries in order expire only when that is asked for by name.
    const problems = input.problem ?? STALE.filter((problem) => problem !== "expired");
    const unattendedAge = input.unattended === true ? context.configuration.guards.minAge : "0s";
    const plan = await makePlan(
      {
        operation: "cleanup",
        paths: input.paths ?? [],
        kinds: input.kind,
        migrate: false,
        depth: depthOf(input),
        selection: {
          problems: input.changed === true ? [...new Set([...problems, "changed" as const])] : problems,
          olderThanSeconds: input.olderThan === undefined ? undefined : parseDuration(input.olderThan),
          include: input.include ?? [],
          exclude: input.exclude ?? [],
          maxEntries: input.maxEntries,
          minAgeSeconds: parseDuration(input.minAge ?? unattendedAge),
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
