import { lstatSync } from "node:fs";
import { basename, dirname } from "node:path";

import { openAnchor, type Anchor } from "./anchor.ts";
import { publish, remove, removeTemp, type Commit } from "./atomic.ts";
import type { Context } from "./context.ts";
import { examineDirectory, performDirectory, prepareDirectory } from "./directory-step.ts";
import { CacheOpsError, codeOfErrno, errnoOf, ERRNO_HINTS, stale } from "./errors.ts";
import { refute } from "./evidence.ts";
import type { FileCalls } from "./file-calls.ts";
import { contentOf, ifThere, readHeld, readIfThere, type Content, type HeldFile, type SeenFile } from "./file.ts";
import { blobOf, type Step } from "./journal.ts";
import { withLock, type HeldLock } from "./lock.ts";
import { setMtime } from "./mtime.ts";
import { LOCK_SUFFIX, tempName } from "./naming.ts";
import { examinePack, performPack, preparePack } from "./pack-step.ts";
import { isDirectoryAction, isFileAction, isPackAction, isRemoteAction, type Action, type FileAction } from "./plan.ts";
import { examineRemote, performRemote, prepareRemote } from "./remote-step.ts";
import { applySplices } from "./splice.ts";

/** What one action works with beside the context. */
export interface StepScope {
  readonly run: string;
  readonly realRoots: readonly string[];
  readonly calls: FileCalls;
  readonly context: Context;
}

/** An action whose target was found as the planner saw it, with everything needed to write it down and do it. */
export interface Prepared {
  readonly action: Action;
  readonly step: Step;
  /** The old bytes, for the journal. */
  readonly before: SeenFile | undefined;
  readonly bytes: Buffer | undefined;
}

/** How long to wait for another process of ours that holds the lock: longer than a dead one's lock lives. */
const LOCK_WAIT_SECONDS = 25;

/** Compares the world with what the planner saw. Throws `stale_plan` when they differ; changes nothing. */
export async function prepare(action: Action, scope: StepScope): Promise<Prepared> {
  const { context, run, calls } = scope;
  const refutations = await Promise.all(action.evidence.map((evidence) => refute(evidence, context, calls)));
  const refuted = refutations.find((message) => message !== undefined);
  if (refuted !== undefined) throw stale(refuted);
  if (isDirectoryAction(action)) {
    return { action, before: undefined, bytes: undefined, step: await prepareDirectory(action, context) };
  }
  if (isPackAction(action)) {
    return { action, before: undefined, bytes: undefined, step: await preparePack(action, context) };
  }
  if (isRemoteAction(action)) {
    return { action, before: undefined, bytes: undefined, step: await prepareRemote(action, context) };
  }
  const before = action.type === "release_lock" ? undefined : await readIfThere(action.file, calls);
  if (isFileAction(action) && before?.content.sha256 !== action.seen?.sha256) {
    throw stale(action.seen === null ? `${action.file} exists by now` : `${action.file} was changed since the plan`);
  }
  const bytes = action.type === "write_file" ? await plannedBytes(action, before?.bytes, context) : undefined;
  const directory = await calls.stat(dirname(action.file));
  return {
    action,
    before,
    bytes,
    step: {
      seq: action.seq,
      file: action.file,
      state: "intended",
      temp: tempName(run, action.seq),
      before: before?.content ?? null,
      after: action.type === "write_file" ? action.result : null,
      attributes: before?.attributes ?? null,
      directoryBefore: String(directory.mtimeNs),
      directoryAfter: null,
      code: null,
      message: null,
    },
  };
}

/**
 * Carries out one prepared action, under the lock of its cache, and returns its line for the journal: `done` only when
 * the effect was seen, else `refused` with the reason. The journal must hold the intention already.
 *
 * (1) The target is read again under the lock and compared, and once more right before the rename.
 */
export async function perform(prepared: Prepared, scope: StepScope): Promise<Step> {
  const { action, step } = prepared;
  const { context, realRoots, calls } = scope;
  let anchor: Anchor | undefined;
  let isChanged = false;
  const changed = () => void (isChanged = true);
  try {
    if (isDirectoryAction(action)) {
      await performDirectory(action, { realRoots, changed }, context);
      return { ...step, state: "done" };
    }
    if (isPackAction(action)) {
      return { ...step, state: "done", after: await performPack(action, { realRoots, changed }, context) };
    }
    if (isRemoteAction(action)) return { ...step, ...(await performRemote(action, context)) };
    anchor = await openAnchor(dirname(action.lock), realRoots, calls);
    const place = anchor;
    await locked(place, action, context, async (lock) => {
      if (action.type === "release_lock") return;
      await change(prepared, action, place, {
        assertMayWrite() {
          lock.assertHeld();
          assertNoForeignWriter(place, action, context.now());
        },
        changed,
      });
    });
    if (isFileAction(action) && action.directoryMtimeNs !== undefined) {
      await setMtime(anchor.at("."), BigInt(action.directoryMtimeNs));
    }
    const directory = await calls.stat(dirname(action.file));
    return { ...step, state: "done", directoryAfter: String(directory.mtimeNs) };
  } catch (error) {
    if (!isChanged) return { ...step, state: "refused", ...refusalOf(error) };
    // What was changed can be taken back, whatever failed after it: a look, times, or letting go of the lock. Of a
    // directory that was to be removed nobody knows how much is: nothing counts as freed.
    const after = action.type === "remove_directory" ? step.before : step.after;
    return { ...step, after, state: "partial", ...refusalOf(error) };
  } finally {
    await anchor?.close();
  }
}

/** Runs `work` under the lock of an action's cache. What a dead process left of that lock is gone afterwards. */
async function locked<T>(
  anchor: Anchor,
  action: Action,
  context: Context,
  work: (lock: HeldLock) => Promise<T>,
): Promise<T> {
  const path = anchor.at(`${basename(action.lock)}${LOCK_SUFFIX}`);
  const { signal } = context;
  const options = { guardDirectory: context.state().directory, signal, waitSeconds: LOCK_WAIT_SECONDS };
  return withLock(path, action.lock, options, work);
}

async function change(prepared: Prepared, action: FileAction, anchor: Anchor, commit: Commit): Promise<void> {
  const name = basename(action.file);
  const now = await ifThere(readHeld(anchor.at(name), anchor.calls));
  try {
    await changeHeld(now, prepared, action, anchor, commit);
  } finally {
    await now?.release();
  }
}

async function changeHeld(
  now: HeldFile | undefined,
  { before, bytes, step }: Prepared,
  action: FileAction,
  anchor: Anchor,
  commit: Commit,
): Promise<void> {
  const name = basename(action.file);
  const isSame = before === undefined ? now === undefined : now?.bytes.equals(before.bytes) === true;
  if (!isSame) throw stale(`${action.file} was changed since the plan`);
  if (action.type === "remove_file") {
    if (now !== undefined) await remove(anchor, name, now.identity, commit);
    return;
  }
  const { mode, uid, gid } = now?.attributes ?? {};
  await publish({
    anchor,
    name,
    temp: step.temp,
    bytes: bytes ?? Buffer.alloc(0),
    replaces: now?.identity ?? "absent",
    attributes: { ...(now && { mode, uid, gid }), ...action.attributes } as Parameters<typeof publish>[0]["attributes"],
    ...commit,
  });
}

/**
 * Finds out how far a step came whose process died, and clears its temporary file and its lock away.
 * `done`, or what was made: the new content is in place; `again`: the old one is; otherwise somebody else's is.
 */
export async function examine(
  step: Step,
  action: Action,
  scope: StepScope,
): Promise<"done" | "again" | "foreign" | Pick<Step, "after">> {
  if (isRemoteAction(action)) return examineRemote(action, scope.context);
  if (isPackAction(action)) return examinePack(action, scope.context);
  if (isDirectoryAction(action)) return examineDirectory(action, scope.realRoots, scope.context);
  const anchor = await openAnchor(dirname(action.file), scope.realRoots, scope.calls);
  try {
    return await locked(anchor, action, scope.context, async () => {
      await removeTemp(anchor.at(step.temp), scope.calls);
      if (action.type === "release_lock") return "again";
      const now = (await readIfThere(anchor.at(basename(action.file))))?.content.sha256;
      // Where only mode, owner or times change, the bytes do not tell: doing it again does no harm.
      if (now === step.after?.sha256 && now !== step.before?.sha256) {
        await anchor.sync();
        return "done";
      }
      return now === step.before?.sha256 ? "again" : "foreign";
    });
  } finally {
    await anchor.close();
  }
}

/** The code and message under which a failed step is reported. Bugs of ours are thrown on. */
export function refusalOf(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof CacheOpsError) return { code: error.code, message: error.message };
  if (error instanceof Error && error.name === "AbortError")
    return { code: "interrupted", message: "stopped on request" };
  const errno = errnoOf(error);
  if (errno === undefined || !(error instanceof Error)) throw error;
  const hint = ERRNO_HINTS[errno] ?? "";
  return { code: codeOfErrno(errno), message: `${error.message}${hint === "" ? "" : ` - ${hint}`}` };
}

/** What an action writes over `before` (`undefined`: no file). Throws `stale_plan` when it is not what was planned. */
export async function plannedBytes(
  action: Extract<Action, { type: "write_file" }>,
  before: Buffer | undefined,
  context: Context,
): Promise<Buffer> {
  const bytes = await fromSource(action, before, context);
  if (contentOf(bytes).sha256 !== action.result.sha256) {
    throw stale(`what would be written to ${action.file} is not what was planned`);
  }
  return bytes;
}

async function fromSource(
  { source, file }: Extract<Action, { type: "write_file" }>,
  before: Buffer | undefined,
  context: Context,
): Promise<Buffer> {
  if ("splices" in source) return applySplices(before ?? Buffer.alloc(0), source.splices);
  if ("text" in source) return Buffer.from(source.text, "utf8");
  if ("blob" in source) return blobOf(context.state(), source.blob);
  const copied = await readIfThere(source.copyOf);
  if (copied?.content.sha256 !== source.content.sha256) throw stale(`${source.copyOf}, the source of ${file}, changed`);
  return copied.bytes;
}

/** How long a program's temp file beside a cache counts as that program writing. */
const FOREIGN_WRITE_MS = 3_600_000;

/** mediabox writes `<cache>.tmp` before it replaces a cache: while that is there and young, its writer is at work. */
function assertNoForeignWriter(anchor: Anchor, action: Action, now: number): void {
  const name = `${basename(action.lock)}.tmp`;
  if (action.type === "write_file" && "copyOf" in action.source && basename(action.source.copyOf) === name) return;
  if (action.type === "remove_file" && basename(action.file) === name) return;
  const temp = lstatSync(anchor.at(name), { throwIfNoEntry: false });
  if (temp === undefined || now - temp.mtimeMs > FOREIGN_WRITE_MS) return;
  throw new CacheOpsError("locked", `another program is writing ${action.lock}`, {
    hint: "Try again when it is done.",
  });
}

/** Whether two contents are the same bytes; `null` stands for "no file". */
export function sameContent(a: Content | null, b: Content | null): boolean {
  return a?.sha256 === b?.sha256;
}
