import type { Context } from "./context.ts";
import { CacheOpsError } from "./errors.ts";
import { inFlight } from "./in-flight.ts";
import { blankStep, type Step } from "./journal.ts";
import { isFileAction, type Action } from "./plan.ts";
import { perform, prepare, refusalOf, type Prepared, type StepScope } from "./step.ts";

/* What `apply.ts` does with several actions at once: they are written down together, and their files change together. */

/** Most actions, and most bytes of old files, that are written down together. */
const BATCH_ACTIONS = 256;
const BATCH_BYTES = 8 * 1024 * 1024;
/**
 * How many actions are compared at once, and how many carried out. Of files the more, the more they share; what was
 * begun is finished when the work is stopped.
 */
const AT_ONCE = { files: { compared: 16, done: 16 }, others: { compared: 1, done: 8 } } as const;
/** After so many actions it is said how far the work is. */
const PROGRESS_ACTIONS = 32;

/** The next actions whose predecessors have all been tried, and those left for later; both keep their order. */
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
  if (batch.length === 0) throw new Error("a plan's actions wait for each other");
  return { batch, left };
}

/** Compares every action of a batch with the world; what is refused goes straight into `steps`. */
export async function prepareBatch(
  batch: readonly Action[],
  steps: Map<number, Step>,
  scope: StepScope,
): Promise<Prepared[]> {
  const prepared = await inFlight(batch, atOnce(batch).compared, async (action): Promise<Prepared | Step> => {
    try {
      const missing = action.after.find((seq) => steps.get(seq)?.state !== "done");
      if (missing !== undefined) throw new CacheOpsError("stale_plan", "an action that has to come before was refused");
      return await prepare(action, scope);
    } catch (error) {
      return refusedStep(action, error);
    }
  });
  for (const item of prepared) if ("seq" in item) steps.set(item.seq, item);
  return prepared.filter((item) => "step" in item);
}

/**
 * Carries out prepared actions and returns how they ended; those not begun when the work was stopped are left out.
 * `tell` is told now and then how many are done.
 */
export async function performBatch(
  prepared: readonly Prepared[],
  scope: StepScope,
  tell: (count: number) => void,
): Promise<Step[]> {
  let count = 0;
  const { done: concurrency } = atOnce(prepared.map(({ action }) => action));
  const done = await inFlight(prepared, concurrency, async (item) => {
    // Between two files is the safe point to stop: what was begun is finished.
    if (scope.context.signal.aborted) return undefined;
    const lost = await lostFence(scope.context);
    const step = lost === undefined ? await perform(item, scope) : refusedAs(item.step, lost);
    count += 1;
    if (count % PROGRESS_ACTIONS === 0 && count < prepared.length) tell(count);
    return step;
  });
  return done.filter((step) => step !== undefined);
}

function atOnce(actions: readonly Action[]): (typeof AT_ONCE)["files" | "others"] {
  return actions.every((action) => isFileAction(action) || action.type === "release_lock")
    ? AT_ONCE.files
    : AT_ONCE.others;
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
