import { isOfFiles, lostFence, nextBatch, performBatch, prepareBatch, refusedStep } from "./batch.ts";
import type { Context } from "./context.ts";
import { CacheOpsError } from "./errors.ts";
import { callsFor } from "./file-calls.ts";
import { guardRoots } from "./guard.ts";
import { newId } from "./ids.ts";
import { inFlight } from "./in-flight.ts";
import {
  beginRun,
  claimRun,
  endRun,
  forgetBackups,
  intend,
  loadRun,
  settle,
  stepsOf,
  type Run,
  type Step,
  type Work,
} from "./journal.ts";
import { expectLocks } from "./lock.ts";
import { thisOwner } from "./owner.ts";
import { inspectRoot } from "./passport.ts";
import type { Action, Plan } from "./plan.ts";
import { releasePlanned } from "./planned-blob.ts";
import { forgetPlans, loadPlan } from "./plans.ts";
import type { Report } from "./report.ts";
import { carrying, lifeOfRun } from "./run-life.ts";
import { summarise } from "./summary.ts";
import { examine, refusalOf, type StepScope } from "./step.ts";
import { waitAloud } from "./time-limit.ts";
import { parseDuration } from "./units.ts";

/*
 * Applying: the only way in which a cache is changed. `apply.ts` conducts, `step.ts` does one action, `atomic.ts`
 * puts one file in place; nothing else in the product writes outside the state directory.
 *
 * (1) Nothing is touched that is not in the plan, and only while it is still as the planner saw it.
 * (2) Before a byte changes, its old bytes are in the journal, durable.
 * (3) A reader sees the old file or the new one, never a mix, never an empty one.
 * (4) Untouched entries stay byte for byte: files are edited by exchanging spans.
 * (6) Every count in a report was measured after the fact.
 *
 *   plan ──beginRun──▶ running ──▶ [prepare ▶ intend (2) ▶ perform (1)(3) ▶ settle]… ──endRun──▶ complete | partial | …
 *                        ╰─ process dies ─▶ the next apply or undo of the run examines each intended step and goes on
 *
 * While a batch of files waits for the disk, the next one is prepared, written down and begun. How a batch ended is
 * written down together with what is begun after it: a process that dies before has its steps examined.
 */

/**
 * Carries out exactly one plan, once. Asking again returns the recorded report; an interrupted run is taken up where
 * it stopped.
 *
 * Throws `not_found`, `stale_plan` (digest differs), `expired_plan`, `blocked` (the plan is, or a root is no longer what
 * it was), `locked` (another process is applying it). What fails for a single file is in the report, not thrown.
 */
export async function applyPlan(id: string, digest: string | undefined, context: Context): Promise<Report> {
  const state = context.state();
  const stored = loadPlan(state, id);
  if (digest !== undefined && digest !== stored.digest) {
    throw new CacheOpsError("stale_plan", `plan ${id} does not have the digest given`, { hint: "Make a new plan." });
  }
  if (stored.run !== null) return goOn(loadRun(state, stored.run), context);
  const { plan } = stored;
  if (Date.parse(plan.expiresAt) <= context.now()) {
    throw new CacheOpsError("expired_plan", `plan ${id} expired at ${plan.expiresAt}`, { hint: "Make a new plan." });
  }
  if (plan.status === "blocked") throw blockedError(plan);
  expectLocks({ guardDirectory: state.directory });
  const work = { actions: plan.actions, changes: plan.changes, passports: plan.passports, bytes: plan.totals.bytes };
  await assertMayChange(work, context);
  const run = newRun({ plan: id, undoes: null, work }, context);
  // Somebody was faster: what they do is what this plan does.
  if (!beginRun(state, run)) return applyPlan(id, digest, context);
  return carrying(run, async () => carryOut(run, [], context));
}

/** Begins and carries out work that needs no plan of its own: an undo. */
export async function carryOutWork(undoes: string, work: Work, context: Context): Promise<Report> {
  expectLocks({ guardDirectory: context.state().directory });
  await assertMayChange(work, context);
  const run = newRun({ plan: null, undoes, work }, context);
  beginRun(context.state(), run);
  return carrying(run, async () => carryOut(run, [], context));
}

/** The report of a run that ended, or, when its process died, of what is done about the rest now. */
export async function goOn(run: Run, context: Context): Promise<Report> {
  if (run.report !== null) return run.report;
  assertDead(run);
  const owner = thisOwner();
  await assertMayChange(run.work, context);
  // Another call here may have taken it up meanwhile: to the store it is the same process.
  assertDead(run);
  if (!claimRun(context.state(), run, owner)) return goOn(loadRun(context.state(), run.id), context);
  return carrying(run, async () => {
    const settled = await settleInterrupted(run, context);
    return carryOut({ ...run, owner }, settled, context);
  });
}

/** Throws `locked` unless it is known that nobody carries out this run any more. */
export function assertDead(run: Run): void {
  const life = lifeOfRun(run);
  if (life === "dead") return;
  const where = `process ${run.owner.pid} on ${run.owner.host}`;
  throw new CacheOpsError("locked", `run ${run.id} is being carried out by ${where}`, {
    hint: life === "alive" ? "Wait until it is done." : "That process cannot be seen from here: ask on its own host.",
  });
}

/** How many interrupted steps are looked at side by side. */
const EXAMINED_AT_ONCE = 16;

/** Finds out about every step whose process died in the middle; steps to be done again are left out. */
export async function settleInterrupted(run: Run, context: Context): Promise<Step[]> {
  const scope = scopeOf(run, context);
  const bySeq = new Map(run.work.actions.map((action) => [action.seq, action]));
  const looked = await inFlight(stepsOf(context.state(), run.id), EXAMINED_AT_ONCE, async (step) => {
    const action = bySeq.get(step.seq);
    if (step.state !== "intended" || action === undefined) return step;
    const outcome = await examined(step, action, scope);
    return outcome === "again" ? undefined : { ...step, ...outcome };
  });
  const settled = looked.filter((step) => step !== undefined);
  settle(context.state(), run.id, settled);
  return settled;
}

/** What to write down about an interrupted step; `again` when it has to be done again. */
async function examined(step: Step, action: Action, scope: StepScope): Promise<Partial<Step> | "again"> {
  try {
    const outcome = await examine(step, action, scope);
    if (outcome === "again") return outcome;
    if (outcome === "done") return { state: "done" };
    if (typeof outcome === "object") return { state: "done", ...outcome };
    const message = `${step.file} was changed by another program while the run was interrupted`;
    return { state: "refused", code: "stale_plan", message };
  } catch (error) {
    return { state: "refused", ...refusalOf(error) };
  }
}

type NewRun = Pick<Run, "id" | "plan" | "undoes" | "owner" | "startedAt" | "work">;

function newRun(parts: Pick<Run, "plan" | "undoes" | "work">, context: Context): NewRun {
  return { ...parts, id: newId("run"), owner: thisOwner(), startedAt: context.now() };
}

/** Batches of files that are carried out at the same time: while one waits for the disk, another one is worked on. */
const IN_HAND = 2;
/** After so many actions it is said how far the work is. */
const PROGRESS_ACTIONS = 32;

async function carryOut(run: NewRun, settled: readonly Step[], context: Context): Promise<Report> {
  const state = context.state();
  const { actions } = run.work;
  const steps = new Map(settled.map((step) => [step.seq, step]));
  let waiting = actions.filter(({ seq }) => !steps.has(seq)).toSorted((a, b) => a.seq - b.seq);
  const scope = scopeOf(run, context);
  let count = steps.size;
  const tell = () => {
    count += 1;
    if (count % PROGRESS_ACTIONS === 0 || count === actions.length) {
      context.progress({ message: "applying", done: count, total: actions.length });
    }
  };
  const roots = run.work.passports.map(({ root }) => root).join(", ");
  const limit = parseDuration(context.configuration.timeLimit);
  /** What was begun on a share that answers nothing is in the kernel's hands: all there is to do is to say so. */
  const aloud = async <T>(isOfFiles: boolean, work: Promise<T>) =>
    isOfFiles
      ? waitAloud(work, limit, (passed) => {
          context.progress({ message: `waiting ${passed} s for ${roots}`, done: count, total: actions.length });
        })
      : work;
  const inHand: { readonly isOfFiles: boolean; readonly outcome: Promise<PromiseSettledResult<Step[]>[]> }[] = [];
  const ended: Step[] = [];
  let isFirst = true;
  const take = (all: readonly Step[]) => {
    for (const step of all) steps.set(step.seq, step);
    ended.push(...all);
  };
  const finishOldest = async () => {
    const oldest = inHand.shift();
    if (oldest === undefined) return;
    const [outcome] = await aloud(oldest.isOfFiles, oldest.outcome);
    if (outcome?.status === "rejected") throw outcome.reason;
    take(outcome?.value ?? []);
  };
  try {
    while (waiting.length > 0 && !context.signal.aborted) {
      const { batch, left } = nextBatch(waiting, steps);
      const areFiles = isOfFiles(batch);
      const overlaps = batch.length > 0 && areFiles && inHand.every((other) => other.isOfFiles);
      if (inHand.length >= (overlaps ? IN_HAND : 1)) {
        await finishOldest();
        continue;
      }
      if (batch.length === 0) throw new Error("a plan's actions wait for each other");
      // The places were looked at right before the first one.
      const objection = isFirst ? undefined : await objectionTo(run.work, context);
      isFirst = false;
      if (objection !== undefined) {
        for (const action of waiting) steps.set(action.seq, refusedStep(action, objection));
        break;
      }
      waiting = left;
      const { ready, refused } = await aloud(areFiles, prepareBatch(batch, steps, scope));
      take(refused);
      for (const _ of refused) tell();
      const intended = ready.map(({ step, before }) => ({ step, bytes: before?.bytes }));
      intend(state, run.id, intended, { ended: ended.splice(0), now: context.now() });
      inHand.push({ isOfFiles: areFiles, outcome: Promise.allSettled([performBatch(ready, scope, tell)]) });
    }
    while (inHand.length > 0) await finishOldest();
  } finally {
    await Promise.all(inHand.map(({ outcome }) => outcome));
  }
  settle(state, run.id, ended);
  return finish(run, [...steps.values()], context.signal.aborted, context);
}

function finish(run: NewRun, steps: readonly Step[], cancelled: boolean, context: Context): Report {
  const state = context.state();
  const { retention } = context.configuration;
  const age = parseDuration(retention.age) * 1000;
  const endedAt = context.now();
  const report = summarise(run, steps, { cancelled, endedAt, undoUntil: run.startedAt + age });
  state.write(() => {
    releasePlanned(state, endedAt);
    forgetBackups(state, endedAt - age, retention.maxBytes);
    forgetPlans(state, endedAt - age);
  });
  endRun(state, report, endedAt);
  return report;
}

function scopeOf({ id, work: { passports } }: Pick<Run, "id" | "work">, context: Context): StepScope {
  const calls = callsFor(passports.map(({ fileSystem }) => fileSystem));
  return { run: id, realRoots: passports.map(({ realPath }) => realPath), calls, context };
}

async function assertMayChange(work: Work, context: Context): Promise<void> {
  const objection = await objectionTo(work, context);
  if (objection !== undefined) throw objection;
}

/** The error when the right to change anything was lost, or `blocked` when a root is no longer the place it was. */
async function objectionTo({ passports }: Work, context: Context): Promise<CacheOpsError | undefined> {
  const lost = await lostFence(context);
  if (lost !== undefined) return lost;
  const limit = parseDuration(context.configuration.timeLimit);
  const roots = await Promise.all(
    passports.map(async (passport) => ({
      root: passport.root,
      state: await inspectRoot(passport.root, limit),
      remembered: { passport, since: "plan" as const },
    })),
  );
  const [first] = guardRoots(roots, []);
  if (first === undefined) return undefined;
  return new CacheOpsError("blocked", `${first.path}: ${first.message} (${first.observed})`, { hint: first.advice });
}

function blockedError({ id, blocked }: Plan): CacheOpsError {
  const reasons = blocked.map(({ path, message, observed }) => `${path}: ${message} (${observed})`).join("; ");
  return new CacheOpsError("blocked", `plan ${id} is blocked: ${reasons}`, { hint: blocked[0]?.advice });
}
