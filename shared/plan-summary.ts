import { Type, type Static } from "typebox";

import type { Context } from "./context.ts";
import { ByProblem, Trouble } from "./finding.ts";
import { Blocked } from "./guard.ts";
import type { Outcome } from "./operation.ts";
import { Change } from "./change.ts";
import { PlanStatus, quarantinedBytesOf, Skipped } from "./plan.ts";
import type { MadePlan } from "./planner.ts";
import { printable } from "./printable.ts";
import { isRemoteChange } from "./remote.ts";
import { applySentence, undoLimit } from "./sentence.ts";
import { formatBytes } from "./units.ts";
import { count, type View } from "./view.ts";

/** What a planning operation answers: the plan's id and what it adds up to. The plan itself is in the store. */
export const PlanSummary = Type.Object(
  {
    plan: Type.String({ description: "Id, to be given to apply." }),
    status: PlanStatus,
    digest: Type.String({ description: "SHA-256 of the whole plan." }),
    expiresAt: Type.String(),
    acknowledge: Type.String({ description: "Says what applying it does; to be repeated to apply." }),
    undoUntil: Type.Union([Type.String(), Type.Null()], {
      description: "Until when it could be undone if it were applied at once; null: not at all.",
    }),
    actions: Type.Integer({ description: "Files that would be written or removed." }),
    entries: Type.Integer({ description: "Entries and leftovers that would be changed." }),
    caches: Type.Integer({ description: "Cache files that would be changed." }),
    bytes: Type.Integer({ description: "Bytes that would be freed." }),
    quarantinedBytes: Type.Optional(
      Type.Integer({ minimum: 0, description: "Bytes that would go to the quarantine, to be freed later." }),
    ),
    byProblem: ByProblem,
    kept: ByProblem,
    skipped: Type.Array(Skipped, { description: "What was left alone by a rule, and which." }),
    blocked: Type.Array(Blocked, { description: "Guards that object." }),
    errors: Type.Array(Trouble, { description: "What could not be looked at." }),
    changes: Type.Optional(Type.Array(Change, { description: "With detail full: every change." })),
  },
  { additionalProperties: false },
);
export type PlanSummary = Static<typeof PlanSummary>;

/** Sums a plan up. */
export function summaryOf(
  { plan, digest }: MadePlan,
  detail: "concise" | "full" | undefined,
  { configuration }: Context,
): PlanSummary {
  const until = undoLimit(plan, configuration);
  const quarantined = quarantinedBytesOf(plan);
  return {
    plan: plan.id,
    status: plan.status,
    digest,
    expiresAt: plan.expiresAt,
    acknowledge: applySentence(plan, configuration),
    undoUntil: until === null ? null : new Date(until).toISOString(),
    actions: plan.actions.length,
    entries: plan.totals.entries,
    caches: plan.totals.caches,
    bytes: plan.totals.bytes,
    ...(quarantined > 0 ? { quarantinedBytes: quarantined } : {}),
    byProblem: plan.totals.byProblem,
    kept: plan.kept,
    skipped: plan.skipped,
    blocked: plan.blocked,
    errors: plan.troubles,
    ...(detail === "full" ? { changes: plan.changes } : {}),
  };
}

/** A blocked plan is loud; one that is ready or empty is fine. */
export function planOutcome({ status }: PlanSummary): Outcome {
  return status === "blocked" ? "blocked" : "ok";
}

/** A plan for a reader. */
export function planView(summary: PlanSummary): View {
  const { plan, status, entries, caches, bytes, byProblem, kept, skipped, blocked, errors, changes = [] } = summary;
  const { quarantinedBytes = 0 } = summary;
  const freed =
    quarantinedBytes > 0
      ? `${formatBytes(quarantinedBytes)} to the quarantine, ${formatBytes(bytes)} freed at once`
      : `${formatBytes(bytes)} freed`;
  const what = `${count(entries, "change")} in ${count(caches, "cache")}`;
  const titles = {
    ready: `${what}, ${freed}. Nothing was changed yet.`,
    empty: errors.length > 0 ? "Nothing to do in what could be looked at." : "Nothing to do.",
    blocked: "BLOCKED: this plan cannot be applied.",
  };
  return {
    title: titles[status],
    facts: [
      ["Plan", plan],
      ["Valid until", summary.expiresAt],
      ...Object.entries(byProblem).map(([problem, number]) => [problem, String(number)] as const),
    ],
    table: {
      columns: ["#", "Does", "Media", "Cache", "Why"],
      rows: changes.map((change) => [
        change.id,
        deedOf(change),
        printable(change.name ?? "(the file itself)"),
        printable(change.cache),
        printable(because(change)),
      ]),
    },
    notes: [
      ...blocked.map(
        ({ guard, path, message, observed, advice, override }) =>
          `${guard}: ${printable(path)}: ${message} (${observed}). ${advice}${override === null ? "" : ` [--allow ${override}]`}`,
      ),
      ...countRules(skipped),
      ...Object.entries(kept).map(([problem, number]) => `Kept: ${number} ${problem}.`),
      ...errors.map(({ path, message }) => `${printable(path)}: ${message}`),
      ...(status === "ready" && summary.undoUntil === null ? ["This cannot be undone."] : []),
      ...(status === "ready" ? [`\`cache-ops apply ${plan}\` does exactly this.`] : []),
    ],
  };
}

function deedOf({ does, jellyfin }: Change): string {
  return jellyfin?.does === "clear" && jellyfin.refills ? `${does}, refill` : does;
}

/** Where a directory goes says little; how far over the limit it is, or what a server says, says much. */
function because(change: Change): string {
  const { to, problem, tracked } = change;
  const { rule, observed, threshold } = change.reason;
  if (tracked === undefined && !isRemoteChange(change))
    return `${problem}: ${rule}${to === undefined ? "" : ` → ${to}`}`;
  const limit = threshold === undefined ? "" : `, limit ${threshold}`;
  return `${rule}${observed === null ? "" : `: ${observed}`}${limit}`;
}

function countRules(skipped: readonly Skipped[]): string[] {
  const rules = new Map<string, number>();
  for (const { rule } of skipped) rules.set(rule, (rules.get(rule) ?? 0) + 1);
  return [...rules].map(([rule, number]) => `Skipped: ${number} (${rule}).`);
}
