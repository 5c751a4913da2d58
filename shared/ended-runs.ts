import { gunzipSync } from "node:zlib";

import { Type } from "typebox";

import { RunStatus } from "./report.ts";
import type { State } from "./state.ts";
import { matches } from "./validate.ts";

/** A run that has ended, in a few words. */
export interface EndedRun {
  readonly run: string;
  /** The operation that planned it, or `undo`; `unknown` when its plan is no longer there. */
  readonly operation: string;
  readonly status: RunStatus;
  readonly seconds: number;
  /** In milliseconds since 1970. */
  readonly endedAt: number;
}

/** The runs of every process that ended at `time` (ms since 1970) or later, in the order in which they ended. */
export function runsEndedSince(state: State, time: number): EndedRun[] {
  const rows = state.all(
    "SELECT runs.id, undoes, state, started_at, ended_at, body FROM runs LEFT JOIN plans ON plans.id = runs.plan WHERE ended_at >= ? ORDER BY ended_at, runs.id",
    time,
  );
  return rows.flatMap((row) => {
    const status = row["state"];
    if (!matches(RunStatus, status)) return [];
    const [startedAt, endedAt] = [Number(row["started_at"]), Number(row["ended_at"])];
    const operation = row["undoes"] === null ? plannedBy(row["body"]) : "undo";
    return [{ run: String(row["id"]), operation, status, seconds: (endedAt - startedAt) / 1000, endedAt }];
  });
}

/** The run that used a plan up, or `null` while none has. */
export function runOfPlan(state: State, plan: string): string | null {
  const run = state.get("SELECT run FROM plans WHERE id = ?", plan)?.["run"];
  return typeof run === "string" ? run : null;
}

const Planned = Type.Object({ operation: Type.String() });

function plannedBy(body: unknown): string {
  const plan: unknown = body instanceof Uint8Array ? JSON.parse(gunzipSync(body).toString("utf8")) : undefined;
  return matches(Planned, plan) ? plan.operation : "unknown";
}
