import type { Run, Step } from "./journal.ts";
import { cacheOf, FOR_GOOD, isDirectoryAction, type Action } from "./plan.ts";
import type { Outcome, Report, RunStatus } from "./report.ts";

/** What is known about a run beside its steps when it ends. */
export interface Ending {
  readonly cancelled: boolean;
  /** Milliseconds since 1970. */
  readonly endedAt: number;
  readonly undoUntil: number;
}

/** Whether a step changed something, if not all that it was to. */
export function wasDone({ state }: Step): boolean {
  return state === "done" || state === "partial";
}

/** (6) The report of a run, counted from what its steps were seen to have done. */
export function summarise(
  run: Pick<Run, "id" | "plan" | "undoes" | "startedAt" | "work">,
  steps: readonly Step[],
  { cancelled, endedAt, undoUntil }: Ending,
): Report {
  const { actions, changes, bytes } = run.work;
  const bySeq = new Map(steps.map((step) => [step.seq, step]));
  const byChange = new Map<number, (Step | undefined)[]>(changes.map(({ id }) => [id, []]));
  for (const action of actions) for (const id of action.changes) byChange.get(id)?.push(bySeq.get(action.seq));
  const done = actions.filter(({ seq }) => bySeq.get(seq)?.state === "done");
  const effective = actions.filter(({ seq }) => {
    const step = bySeq.get(seq);
    return step !== undefined && wasDone(step);
  });
  const refused = steps.flatMap(({ state, file, code, message }) =>
    state === "refused" || state === "partial" ? [{ file, code: code ?? "internal", message: message ?? "" }] : [],
  );
  const outcomes = changes.map((change): Outcome => {
    const own = byChange.get(change.id) ?? [];
    const failed = own.find((step) => step?.state === "refused" || step?.state === "partial");
    if (failed) {
      return { change, outcome: failed.state === "partial" ? "partial" : "refused", message: failed.message };
    }
    return { change, outcome: own.every((step) => step?.state === "done") ? "done" : "not_tried", message: null };
  });
  const freed = effective.reduce((sum, { seq }) => {
    const step = bySeq.get(seq);
    return sum + (step?.before?.size ?? 0) - (step?.after?.size ?? 0);
  }, 0);
  const quarantined = effective.reduce(
    (sum, { seq, type }) => sum + (type === "quarantine_directory" ? (bySeq.get(seq)?.before?.size ?? 0) : 0),
    0,
  );
  return {
    run: run.id,
    plan: run.plan,
    undoes: run.undoes,
    status: statusOf(done.length, effective.length, actions.length, cancelled),
    startedAt: new Date(run.startedAt).toISOString(),
    endedAt: new Date(endedAt).toISOString(),
    entries: outcomes.filter(({ outcome }) => outcome === "done").length,
    caches: new Set(effective.map(cacheOf)).size,
    files: effective.filter(({ type }) => type !== "release_lock").length,
    reclaimedBytes: freed,
    ...(quarantined > 0 ? { quarantinedBytes: quarantined } : {}),
    predicted: { entries: changes.length, caches: new Set(actions.map(cacheOf)).size, bytes },
    refused,
    notTried: actions.length - steps.filter(({ state }) => state !== "intended").length,
    undoUntil: untilOf(effective, run.startedAt, undoUntil),
    outcomes,
  };
}

/** Until when all of it can be taken back, or `null` when nothing can: the quarantine may be shorter than the backups. */
function untilOf(effective: readonly Action[], startedAt: number, latest: number): string | null {
  const undoable = effective.filter(({ type }) => !FOR_GOOD.has(type));
  if (undoable.length === 0) return null;
  const ends = undoable.map((action) =>
    isDirectoryAction(action) ? startedAt + action.tracked.keepSeconds * 1000 : latest,
  );
  return new Date(Math.min(latest, ...ends)).toISOString();
}

function statusOf(done: number, effective: number, all: number, cancelled: boolean): RunStatus {
  if (done === all) return "complete";
  if (cancelled) return "cancelled";
  return effective === 0 ? "refused" : "partial";
}
