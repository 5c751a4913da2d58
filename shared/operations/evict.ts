import { Type } from "typebox";

import { EvictionPolicy } from "../caches/managed/settings.ts";
import { defineOperation } from "../operation.ts";
import { planOutcome, PlanSummary, planView, summaryOf } from "../plan-summary.ts";
import { makePlan, narrowPlan } from "../planner.ts";
import { Allow, Detail, Exclude, From, Include, Only } from "./input.ts";

const Words = (description: string) =>
  Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 4096, pattern: "^[^\\u0000]*$" }), { description }));

const PROBLEMS = ["expired", "oversize", "leftover"] as const;

/** Plans which directories of managed caches go. */
export const evict = defineOperation({
  name: "evict",
  title: "Plan an eviction",
  description:
    "Plans which directories of managed caches go: expired ones, those over the quota, cold ones to be packed, and what has been in the quarantine for long enough. Changes nothing.",
  effect: "read",
  isExtraTool: true,
  input: Type.Object(
    {
      cache: Words("Names of managed caches. Default: all."),
      paths: Words("Just these directories, quota or not: relative to the root of the cache, or absolute."),
      problem: Type.Optional(
        Type.Array(Type.Enum([...PROBLEMS]), {
          description:
            "expired: past their TTL, maximum age or time until they are packed; oversize: over the quota; leftover: in the quarantine for long enough. Default: all.",
        }),
      ),
      policy: Type.Optional(EvictionPolicy),
      bytes: Type.Optional(Type.Integer({ minimum: 1, description: "Free this many bytes, quota or not." })),
      urgent: Type.Optional(
        Type.Boolean({
          description: "Free space at once: empties the quarantine first, then removes for good. Cannot be undone.",
        }),
      ),
      archive: Type.Optional(
        Type.Boolean({
          default: true,
          description: "false: do not archive them first, although the settings name an object store.",
        }),
      ),
      include: Include,
      exclude: Exclude,
      maxEntries: Type.Optional(Type.Integer({ minimum: 1, description: "At most this many." })),
      allow: Allow,
      from: From,
      only: Only,
      detail: Detail,
    },
    { additionalProperties: false, dependentRequired: { only: ["from"] } },
  ),
  positional: "cache",
  output: PlanSummary,
  rows: "changes",
  async run({ from, only, detail, ...input }, context) {
    if (from !== undefined) return summaryOf(await narrowPlan(from, only, context), detail, context);
    const { cache = [], paths, policy, bytes, urgent, archive, include = [], exclude = [] } = input;
    const allowsInUse = input.allow?.includes("in_use") === true;
    const plan = await makePlan(
      {
        operation: "evict",
        paths: cache,
        kinds: ["managed"],
        migrate: false,
        eviction: {
          paths,
          policy,
          bytes,
          isUrgent: urgent === true,
          archives: archive !== false,
          allowsInUse,
          include,
          exclude,
        },
        selection: {
          problems: input.problem ?? PROBLEMS,
          olderThanSeconds: undefined,
          include: [],
          exclude: [],
          maxEntries: input.maxEntries,
          minAgeSeconds: 0,
          allow: input.allow ?? [],
        },
      },
      context,
    );
    return summaryOf(plan, detail, context);
  },
  outcome: planOutcome,
  view: planView,
});
