import type { Context } from "./context.ts";
import { CacheOpsError } from "./errors.ts";
import { inFlight } from "./in-flight.ts";
import { blankStep, type Step } from "./journal.ts";
import { isFileAction, type Action } from "./plan.ts";
import { perform, prepare, refusalOf, type Prepared, type StepScope } from "./step.ts";

/* What `apply.ts` does with several actions at once: they are written down together, and their files change together. */

/** Most actions, and most bytes of old files, that are written down together. */
const BATCH_ACTIONS = 64;
const BATCH_BYTES = 8 * 1024 * 1024;
/**
 * How many actions are compared at once, and how many carried out. Of files the more, the more they share; what was
 * begun is finished when the work is stopped.
 */
const AT_ONCE = {
  files: { compared: BATCH_ACTIONS, done: 32 },
  others: { compared: 1, done: 8 },
} as const;

/**
 * The next actions whose predecessors have all been tried, and those left for later; both keep their order. None are
 * next when all that are left wait for actions that are still being carried out.
 */
export function nextBatch(
  waiting: readonly Action[],
  steps: ReadonlyMap<number, Step>,
): { readonly batch: Action[]; readonly left: Action[] } {
  const batch: Action[] = [];
  const left: Action[] = [];
  let bytes = 0;
  for (const action of waiting) {
    const isFull = batch.length >= BATCH_ACTIONS || bytes >= BATCH_BYTES;
    if (!isFull && action.after.every((seq) => steps.has(seq))) {
      batch.push(action);
      // Of directories nothing is kept: they stay in the quarantine.
      bytes += isFileAction(action) ? (action.seen?.size ?? 0) : 0;
    } else left.push(action);
  }
  return { batch, left };
}

/** Compares every action of a batch with the world: some are ready to be carried out, some are refused. */
export async function prepareBatch(
  batch: readonly Action[],
  steps: ReadonlyMap<number, Step>,
  scope: StepScope,
): Promise<{ readonly ready: Prepared[]; readonly refused: Step[] }> {
  const prepared = await inFlight(batch, atOnce(batch).compared, async (action): Promise<Prepared | Step> => {
    try {
      const missing = action.after.find((seq) => steps.get(seq)?.state !== "done");
      if (missing !== undefined) throw new CacheOpsError("stale_plan", "an action that has to come before was refused");
      return await prepare(action, scope);
    } catch (error) {
      return refusedStep(action, error);
    }
  });
  return { ready: prepared.filter((item) => "step" in item), refused: prepared.filter((item) => "seq" in item) };
}

/**
 * Carries out prepared actions and returns how they ended; those not begun when the work was stopped are left out.
 * `tell` is told of each that was.
 */
export async function performBatch(prepared: readonly Prepared[], scope: StepScope, tell: () => void): Promise<Step[]> {
  const { done: concurrency } = atOnce(prepared.map(({ action }) => action));
  const done = await inFlight(prepared, concurrency, async (item) => {
    // Between two files is the safe point to stop: what was begun is finished.
    if (scope.context.signal.aborted) return undefined;
    const lost = await lostFence(scope.context);
    const step = lost === undefined ? await perform(item, scope) : refusedAs(item.step, lost);
    tell();
    return step;
  });
  return done.filter((step) => step !== undefined);
}

function atOnce(actions: readonly Action[]): (typeof AT_ONCE)["files" | "others"] {
  return isOfFiles(actions) ? AT_ONCE.files : AT_ONCE.others;
}

/** Whether actions are about single files only. Then the next ones may be begun before these have ended. */
export function isOfFiles(actions: readonly Action[]): boolean {
  return actions.every((action) => isFileAction(action) || action.type === "release_lock");
}

function refusedAs(step: Step, error: unknown): Step {
  return { ...step, state: "refused", ...refusalOf(error) };
}

/** The step of an action that was not begun, with the reason. */
export function refusedStep(action: Action, error: unknown): Step {
  return refusedAs(blankStep(action), error);
}

/** The error by which the right to change anything was lost, if it was. */
export async function lostFence(context: Context): Promise<CacheOpsError | undefined> {
  try {
    await context.fence?.();
    return undefined;
  } catch (error) {
    if (error instanceof CacheOpsError) return error;
    throw error;
  }
}
