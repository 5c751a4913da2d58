import { lstat, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";

import { openAnchor, type Anchor } from "./anchor.ts";
import type { ManagedStore } from "./caches/managed/managed-store.ts";
import { withManagedStore } from "./caches/managed/open.ts";
import { seeTree } from "./caches/managed/tree.ts";
import type { Context } from "./context.ts";
import {
  assertUnused,
  isThere,
  locked,
  managedCacheNamed,
  moveDirectory,
  withLease,
  withQuarantine,
} from "./directory-hold.ts";
import { stale } from "./errors.ts";
import { blankStep, type Step } from "./journal.ts";
import type { HeldLock } from "./lock.ts";
import type { DirectoryAction } from "./plan.ts";
import { removeTree } from "./remove-tree.ts";

/*
 * Steps on whole directories of managed caches. A directory leaves its place by one rename into the quarantine, which
 * lies on the same file system; also one that is to be removed for good. So it is there whole, or not at all, and who
 * dies in the middle of removing it leaves nothing half empty where programs look.
 */

/** Where the directory is before an action, and where after it; `null`: nowhere. */
function wayOf(action: DirectoryAction): { readonly from: string; readonly to: string | null } {
  const { type, file, place } = action;
  if (type === "quarantine_directory") return { from: file, to: place };
  return type === "return_directory" ? { from: place, to: file } : { from: file, to: null };
}

/** Compares the directory with what the planner saw. Throws `stale_plan` when it differs; changes nothing. */
export async function prepareDirectory(action: DirectoryAction, context: Context): Promise<Step> {
  const { from, to } = wayOf(action);
  const before = (await seeTree(from, context))?.content;
  if (before === undefined) throw stale(`${from} is not there any more`);
  if (before.sha256 !== action.seen.sha256) throw stale(`${from} was changed since the plan`);
  if (to !== null && (await isThere(to))) throw stale(`${to} exists by now`);
  const parent = await stat(dirname(action.file), { bigint: true });
  return {
    ...blankStep(action),
    temp: action.place,
    before,
    // What lies in the quarantine has freed nothing yet.
    after: to === null ? null : before,
    directoryBefore: String(parent.mtimeNs),
  };
}

/** Where a step on a directory is carried out, and whom it tells that from now on the directory is elsewhere. */
export interface DirectoryScope {
  readonly realRoots: readonly string[];
  readonly changed: () => void;
}

/** Carries a directory action out, under the lock and the lease of its directory. Throws where it must not. */
export async function performDirectory(
  action: DirectoryAction,
  { realRoots, changed }: DirectoryScope,
  context: Context,
): Promise<void> {
  const cache = managedCacheNamed(action.tracked.cache, context);
  await withQuarantine(action, async (away) => {
    const home = await openAnchor(dirname(action.file), [...realRoots, away.directory]);
    try {
      await withManagedStore(cache, context, async (store) => {
        await locked(action, away, context, async (lock) =>
          change(action, { home, away, store, lock, changed }, context),
        );
      });
    } finally {
      await home.close();
    }
  });
}

interface Scene {
  readonly home: Anchor;
  readonly away: Anchor;
  readonly store: ManagedStore;
  readonly lock: HeldLock;
  readonly changed: () => void;
}

async function change(action: DirectoryAction, scene: Scene, context: Context): Promise<void> {
  const { home, away, store, lock, changed } = scene;
  const { type, file, place, seen } = action;
  const [stored, target] = [away.at(basename(place)), home.at(basename(file))];
  const isReturn = type === "return_directory";
  const from = isReturn || isPurge(action) ? stored : target;
  // (1) Once more under the lock: what went through since the comparison stays.
  const now = await seeTree(from, context);
  if (now?.content.sha256 !== seen.sha256) throw stale(`${isReturn ? place : file} was changed since the plan`);
  if (!isPurge(action)) {
    await withLease(action, store, context, async (lease) => {
      if (!isReturn) await assertUnused(action, store);
      const identity = await lstat(from, { bigint: true });
      await lease.assertHeld();
      lock.assertHeld();
      const to = isReturn ? target : stored;
      moveDirectory(from, to, identity, isReturn ? file : place);
      try {
        await Promise.all([home.sync(), away.sync()]);
        await noteInRegister(action, store, context);
        changed();
      } catch (error) {
        // Only what is reported as done can be taken back: what is not goes back at once.
        moveDirectory(to, from, identity, isReturn ? place : file);
        await Promise.allSettled([home.sync(), away.sync()]);
        throw error;
      }
    });
  }
  if (type === "remove_directory") await finishRemoval(action, away, store);
}

/** What the register has to say once the directory is where the action puts it. */
async function noteInRegister({ type, file, tracked }: DirectoryAction, store: ManagedStore, context: Context) {
  if (type === "return_directory") {
    const tree = await seeTree(file, context);
    if (tree === undefined) throw stale(`${file} is gone again`);
    const { bytes, files } = tree.measurement;
    await store.register([{ path: tracked.path, bytes, files }], context.now());
  } else {
    await store.forget([tracked.path]);
    await store.countEvictions(1, 0);
  }
}

/** Whether an action only removes what is in the quarantine already. */
function isPurge({ type, file, place }: DirectoryAction): boolean {
  return type === "remove_directory" && file === place;
}

/** Removes what lies in the quarantine for good; also what a process that died left of it. */
async function finishRemoval({ place, seen }: DirectoryAction, away: Anchor, store: ManagedStore): Promise<void> {
  await removeTree(away.at("."), basename(place));
  await away.sync();
  await store.countEvictions(0, seen.size);
}

/**
 * How far a directory action came whose process died; what it had begun to remove is removed to the end.
 * `done`, `again`, or `foreign`: neither as before nor as after.
 */
export async function examineDirectory(
  action: DirectoryAction,
  realRoots: readonly string[],
  context: Context,
): Promise<"done" | "again" | "foreign"> {
  const cache = managedCacheNamed(action.tracked.cache, context);
  // Under the lock: that of the process that died goes with it.
  return withQuarantine(action, async (away) =>
    locked(action, away, context, async () =>
      withManagedStore(cache, context, async (store) => {
        const { from, to } = wayOf(action);
        if (action.type === "remove_directory") {
          if (!isPurge(action)) {
            if (await isThere(from)) return "again";
            await noteInRegister(action, store, context);
          }
          await finishRemoval(action, away, store);
          return "done";
        }
        const [isHere, isAway] = [await isThere(from), to !== null && (await isThere(to))];
        if (isHere === isAway) return "foreign";
        if (isHere) return "again";
        const home = await openAnchor(dirname(action.file), realRoots);
        await home.sync();
        await home.close();
        await noteInRegister(action, store, context);
        return "done";
      }),
    ),
  );
}

/**
 * The action that takes a directory action back, or `undefined` when that is not possible (it was removed) or not
 * needed (it is back already).
 */
export async function reverseDirectory(
  action: DirectoryAction,
  seq: number,
  context: Context,
): Promise<DirectoryAction | undefined> {
  if (action.type === "remove_directory") return undefined;
  const { from, to } = wayOf(action);
  if ((await seeTree(from, context))?.content.sha256 === action.seen.sha256 && to !== null && !(await isThere(to))) {
    return undefined;
  }
  return {
    ...action,
    type: action.type === "quarantine_directory" ? "return_directory" : "quarantine_directory",
    seq,
    after: [],
    evidence: [],
    tracked: { ...action.tracked, accessedAt: null },
  };
}
