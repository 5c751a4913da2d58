import { Type, type Static } from "typebox";

import type { Context } from "./context.ts";
import { CacheOpsError, systemError, withHint } from "./errors.ts";
import { invoke, type Operation } from "./operation.ts";
import { apply } from "./operations/apply.ts";
import { PlanSummary } from "./plan-summary.ts";
import { printable } from "./printable.ts";
import { reportView, type ReportSummary } from "./report-view.ts";
import { inputOf, operationOf } from "./schedulable.ts";
import type { Schedule } from "./schedule-settings.ts";
import { matches, parse } from "./validate.ts";
import { count } from "./view.ts";

/** What came of one time of a schedule. Only `complete` means that all of it was done and verified. */
export const ScheduleOutcome = Type.Object(
  {
    outcome: Type.Enum(["complete", "planned", "partial", "blocked", "failed", "cancelled", "skipped"], {
      description: "planned: a plan waits to be applied; blocked: a guard objects; skipped: nothing was begun.",
    }),
    reason: Type.String({ description: "In one sentence: what was done, or why it was not." }),
    plan: Type.Union([Type.String(), Type.Null()]),
    run: Type.Union([Type.String(), Type.Null()]),
  },
  { additionalProperties: false },
);
export type ScheduleOutcome = Static<typeof ScheduleOutcome>;

/** Runs an operation; a face may want to know, or have one change wait for the other. */
export type CarryOut = (operation: Operation, input: unknown, context: Context) => Promise<unknown>;

/**
 * Does what a schedule is for, once: runs its operation and, when it is to be applied, the plan that came of it. A
 * blocked plan is never applied. Never throws: what went wrong is the outcome, bugs of ours are logged as well.
 */
export async function runScheduled(
  schedule: Pick<Schedule, "name" | "operation" | "input" | "apply">,
  context: Context,
  carryOut: CarryOut = invoke,
): Promise<ScheduleOutcome> {
  try {
    const operation = operationOf(schedule);
    const output = await carryOut(operation, structuredClone(inputOf(schedule)), context);
    if (matches(PlanSummary, output)) {
      return await dealWith(output, schedule, async (input) =>
        parse(apply.output, await carryOut(apply, input, context), "output of apply"),
      );
    }
    if (!matches(operation.output, output)) throw new Error(`${operation.name} answered what it does not promise`);
    const taken = operation.outcome(output);
    const reason = operation.view(output).title;
    if (taken === "ok" || taken === "stale") return outcomeOf("complete", reason);
    return outcomeOf(taken === "partial" || taken === "blocked" ? taken : "failed", reason);
  } catch (error) {
    return failureOf(error, schedule, context);
  }
}

async function dealWith(
  { plan, digest, status, blocked, entries, skipped, errors }: PlanSummary,
  schedule: Pick<Schedule, "apply">,
  applied: (input: unknown) => Promise<ReportSummary>,
): Promise<ScheduleOutcome> {
  const [trouble] = errors;
  const unseen = trouble === undefined ? "" : ` Could not be looked at: ${trouble.path}: ${trouble.message}`;
  const whole = trouble === undefined ? "complete" : "partial";
  if (status === "empty") {
    const left = skipped.length === 0 ? "" : ` ${skipped.length} left alone by a rule (${skipped[0]?.rule}).`;
    return outcomeOf(whole, `Nothing to do.${left}${unseen}`);
  }
  if (status === "blocked") {
    const [first] = blocked;
    const why = first === undefined ? "a guard objects" : `${first.path}: ${first.message} (${first.observed})`;
    return outcomeOf("blocked", `${why}. ${first?.advice ?? ""}`.trim(), plan);
  }
  if (!schedule.apply)
    return outcomeOf(
      "planned",
      `${count(entries, "change waits", "changes wait")} for \`cache-ops apply ${plan}\`.`,
      plan,
    );
  const report = await applied({ plan, digest });
  const { status: done, run, refused } = report;
  const why = refused[0] === undefined ? "" : ` ${refused[0].message}`;
  const outcome = done === "refused" ? "failed" : done === "complete" ? whole : done;
  return outcomeOf(outcome, `${reportView(report).title}${why}${unseen}`, plan, run);
}

function failureOf(error: unknown, { name }: Pick<Schedule, "name">, context: Context): ScheduleOutcome {
  if (error instanceof Error && error.name === "AbortError") return outcomeOf("cancelled", "Stopped on request.");
  const known = systemError(error, `schedule ${name} failed`);
  if (known instanceof CacheOpsError) {
    const outcome = known.code === "blocked" ? "blocked" : known.code === "interrupted" ? "cancelled" : "failed";
    return outcomeOf(outcome, withHint(known));
  }
  context.log(`schedule ${name} met a bug`, { error: error instanceof Error ? (error.stack ?? error.message) : "" });
  return outcomeOf("failed", `a bug: ${error instanceof Error ? error.message : "unknown"}`);
}

/** An outcome as it is recorded: with a reason that can be shown. */
export function outcomeOf(
  outcome: ScheduleOutcome["outcome"],
  reason: string,
  plan: string | null = null,
  run: string | null = null,
): ScheduleOutcome {
  return { outcome, reason: printable(reason).slice(0, MAX_REASON), plan, run };
}

const MAX_REASON = 1000;
