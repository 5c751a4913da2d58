import { dirname } from "node:path";

import { assertDead, carryOutWork, goOn, settleInterrupted } from "./apply.ts";
import type { Context } from "./context.ts";
import { reverseDirectory } from "./directory-step.ts";
import { CacheOpsError, errnoOf } from "./errors.ts";
import { callsFor, type FileCalls } from "./file-calls.ts";
import { readIfThere, type Content, type SeenFile } from "./file.ts";
import { inFlight } from "./in-flight.ts";
import { begunUndoOf, claimRun, endRun, loadRun, stepsOf, type Run, type Step } from "./journal.ts";
import { thisOwner } from "./owner.ts";
import { reversePack } from "./pack-step.ts";
import { FOR_GOOD, isDirectoryAction, isFileAction, isPackAction, isRemoteAction, type Action } from "./plan.ts";
import type { Report } from "./report.ts";
import { carrying } from "./run-life.ts";
import { sameContent } from "./step.ts";
import { summarise, wasDone } from "./summary.ts";

/**
 * Puts back what a run changed or removed: bytes, mode, owner and modification times.
 *
 * An undo is a run of its own, journaled and locked like any other, so it can itself be undone. A file that changed
 * since is refused and left alone. Undoing twice returns the first report, unless that undo was undone meanwhile.
 * Works on interrupted runs, too; an undo that was itself interrupted is taken up where it stopped.
 *
 * Throws `not_found`, `locked` (the run is still going), `stale_plan` (its backups are no longer kept) and `blocked`.
 */
export async function undoRun(id: string, context: Context): Promise<Report> {
  const state = context.state();
  const run = loadRun(state, id);
  if (run.undoneBy !== null) {
    const earlier = loadRun(state, run.undoneBy);
    if (earlier.report?.status === "complete") return earlier.report;
  }
  const begun = begunUndoOf(state, id);
  if (begun !== undefined) return goOn(begun, context);
  if (run.forgotten) {
    throw new CacheOpsError("expired_plan", `the backups of run ${id} are no longer kept`, {
      hint: "Retention is set in the configuration.",
    });
  }
  if (run.state === "running") await closeInterrupted(run, context);
  const steps = stepsOf(state, id);
  const actions = await reverse(run, steps, context);
  if (actions.length === 0 && isRemovalOnly(run, steps)) {
    throw new CacheOpsError("not_found", `what run ${id} removed was removed for good, as its plan said`, {
      hint: "Only what went to the quarantine or was backed up can be put back; engines and Jellyfin fill their caches again.",
    });
  }
  const { passports, changes } = run.work;
  const bytes = actions.reduce((sum, action) => sum + gain(action), 0);
  const touched = new Set(actions.flatMap((action) => action.changes));
  const kept = changes.filter((change) => touched.has(change.id));
  return carryOutWork(id, { actions, changes: kept, passports, bytes }, context);
}

/** The run whose undo is meant by "the last one": the newest that changed something and was not undone. */
export function isUndoable(run: Run): boolean {
  const { report } = run;
  const changed = report === null ? run.state === "running" : report.files > 0 && report.undoUntil !== null;
  return changed && run.undoes === null && run.undoneBy === null && !run.forgotten;
}

/** Whether a run did nothing but what nothing is kept of. */
function isRemovalOnly({ work }: Run, steps: readonly Step[]): boolean {
  const done = new Set(steps.flatMap((step) => (wasDone(step) ? [step.seq] : [])));
  const actions = work.actions.filter(({ seq }) => done.has(seq));
  return actions.length > 0 && actions.every(({ type }) => FOR_GOOD.has(type));
}

/** Closes the books of a run whose process died: what it did counts, the rest was not tried. */
async function closeInterrupted(run: Run, context: Context): Promise<void> {
  assertDead(run);
  const owner = thisOwner();
  if (!claimRun(context.state(), run, owner)) {
    await goOn(loadRun(context.state(), run.id), context);
    return;
  }
  await carrying(run, async () => {
    const steps = await settleInterrupted(run, context);
    const endedAt = context.now();
    endRun(context.state(), summarise(run, steps, { cancelled: true, endedAt, undoUntil: endedAt }), endedAt);
  });
}

/**
 * The actions that take the steps back, last first. A file that is as it was before needs none; one that is neither
 * as before nor as after gets an action all the same, which apply then refuses with the reason.
 */
async function reverse(run: Run, steps: readonly Step[], context: Context): Promise<Action[]> {
  const actions: Action[] = [];
  const bySeq = new Map(run.work.actions.map((action) => [action.seq, action]));
  const expected = new Map<string, { readonly content: Content | null; readonly seq: number }>();
  const calls = callsFor(run.work.passports.map(({ fileSystem }) => fileSystem));
  const times = await directoryTimes(steps, calls);
  const changed = steps.filter(({ seq, before, after }) => {
    const action = bySeq.get(seq);
    return action !== undefined && isFileAction(action) && (before !== null || after !== null);
  });
  const found = await filesNow(new Set(changed.map(({ file }) => file)), calls);
  const isFollowed = ({ seq }: Action) =>
    steps.some((step) => wasDone(step) && bySeq.get(step.seq)?.after.includes(seq) === true);
  for (const step of steps.toReversed()) {
    const action = bySeq.get(step.seq);
    if (action === undefined) continue;
    if (isDirectoryAction(action)) {
      const back = wasDone(step) ? await reverseDirectory(action, actions.length + 1, context) : undefined;
      if (back !== undefined) actions.push(back);
      continue;
    }
    if (isPackAction(action)) {
      const back = wasDone(step)
        ? await reversePack(action, { ...step, hasLeft: isFollowed(action) }, actions, context)
        : undefined;
      if (back !== undefined) actions.push(back);
      continue;
    }
    if (isRemoteAction(action)) continue;
    if (action.type === "release_lock" || (step.before === null && step.after === null)) continue;
    const earlier = expected.get(step.file);
    const seen = earlier === undefined ? (found.get(step.file) ?? null) : undefined;
    const now = earlier === undefined ? (seen?.content ?? null) : earlier.content;
    const isBack = sameContent(now, step.before);
    // A step that wrote the bytes that were there already changed mode, owner or times, or died before it could tell.
    const isOnlyAttributes = step.state !== "refused" && sameContent(step.before, step.after);
    if (isBack && !(isOnlyAttributes && seen !== null && !hasAttributes(seen, step))) continue;
    // A refused step whose file is not what it would have become was never ours to take back.
    if (step.state === "refused" && !sameContent(now, step.after)) continue;
    context.progress({ message: "preparing the undo", done: actions.length });
    const seq = actions.length + 1;
    const directoryMtimeNs = times.get(dirname(step.file));
    const common = {
      seq,
      file: step.file,
      lock: action.lock,
      changes: action.changes,
      after: earlier === undefined ? [] : [earlier.seq],
      evidence: [],
      ...(directoryMtimeNs === undefined ? {} : { directoryMtimeNs }),
    };
    actions.push(
      step.before === null
        ? { type: "remove_file", ...common, seen: step.after ?? { sha256: "", size: 0 } }
        : {
            type: "write_file",
            ...common,
            seen: step.after,
            source: { blob: step.before.sha256 },
            result: step.before,
            attributes: step.attributes ?? {},
          },
    );
    expected.set(step.file, { content: step.before, seq });
  }
  return actions;
}

/** Files and directories that are looked at side by side. */
const READ_AT_ONCE = 16;

/** Directories nobody else changed since, with the modification time they had before the run. */
async function directoryTimes(steps: readonly Step[], calls: FileCalls): Promise<Map<string, string>> {
  const seen = new Map<string, { readonly before: string | null; readonly after: Set<string | null> }>();
  for (const { file, directoryBefore, directoryAfter } of steps) {
    const known = seen.get(dirname(file)) ?? { before: directoryBefore, after: new Set() };
    known.after.add(directoryAfter);
    seen.set(dirname(file), known);
  }
  const times = new Map<string, string>();
  await inFlight([...seen], READ_AT_ONCE, async ([directory, { before, after }]) => {
    const now = await mtimeOf(directory, calls);
    if (before !== null && now !== null && after.has(now)) times.set(directory, before);
  });
  return times;
}

async function mtimeOf(directory: string, calls: FileCalls): Promise<string | null> {
  try {
    return String((await calls.stat(directory)).mtimeNs);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return null;
  }
}

function hasAttributes(seen: FoundFile | undefined, { attributes }: Step): boolean {
  const keys = ["mode", "uid", "gid", "mtimeNs"] as const;
  return keys.every((key) => seen?.attributes[key] === attributes?.[key]);
}

type FoundFile = Pick<SeenFile, "content" | "attributes">;

/** What is at these paths now. A place that cannot be reached is left for apply to refuse. */
async function filesNow(files: ReadonlySet<string>, calls: FileCalls): Promise<Map<string, FoundFile>> {
  const found = new Map<string, FoundFile>();
  await inFlight([...files], READ_AT_ONCE, async (file) => {
    const seen = await readNow(file, calls);
    if (seen !== null) found.set(file, { content: seen.content, attributes: seen.attributes });
  });
  return found;
}

async function readNow(file: string, calls: FileCalls): Promise<SeenFile | null> {
  try {
    return (await readIfThere(file, calls)) ?? null;
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof CacheOpsError)) throw error;
    return null;
  }
}

function gain(action: Action): number {
  if (!isFileAction(action)) return 0;
  return (action.seen?.size ?? 0) - (action.type === "write_file" ? action.result.size : 0);
}
