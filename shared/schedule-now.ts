import type { Context } from "./context.ts";
import { runScheduled, type CarryOut, type ScheduleOutcome } from "./schedule-run.ts";
import { beginDoing, changeDoing, endDoing } from "./schedule-store.ts";
import type { Schedule } from "./schedule-settings.ts";

/**
 * Runs a schedule in this process and records what came of it. Throws `locked` while it is at work anywhere on this
 * host, and `prepare`'s errors. `prepare` may wait before anything is done, and say why nothing is.
 */
export async function runNow(
  schedule: Schedule,
  context: Context,
  { part = "", prepare, carryOut }: RunParts = {},
): Promise<ScheduleOutcome> {
  const state = context.state();
  const { name, operation } = schedule;
  const startedAt = context.now();
  const running = {
    what: "running",
    reason: part === "" ? operation : `${operation} ${part}`,
    since: startedAt,
  } as const;
  beginDoing(state, schedule, running);
  let outcome: ScheduleOutcome | undefined;
  try {
    outcome = await prepare?.();
    changeDoing(state, name, running);
    outcome ??= await runScheduled(schedule, context, carryOut);
    return outcome;
  } finally {
    outcome ??= { outcome: "failed", reason: "It could not begin.", plan: null, run: null };
    endDoing(state, { name, startedAt, endedAt: context.now(), part, ...outcome });
  }
}

/** What a run may be given. */
export interface RunParts {
  /** The directory it is about, where hosts share the work. */
  readonly part?: string;
  /** Waits until it may begin; an outcome means that it must not. */
  readonly prepare?: (() => Promise<ScheduleOutcome | undefined>) | undefined;
  readonly carryOut?: CarryOut | undefined;
}
