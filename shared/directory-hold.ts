import { lstatSync, renameSync } from "node:fs";
import { lstat, mkdir } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { openAnchor, type Anchor } from "./anchor.ts";
import type { Lease, ManagedStore } from "./caches/managed/managed-store.ts";
import type { ManagedCache } from "./caches/managed/settings.ts";
import type { Context } from "./context.ts";
import { CacheOpsError, errnoOf, stale } from "./errors.ts";
import { withLock, type HeldLock } from "./lock.ts";
import { LOCK_SUFFIX } from "./naming.ts";
import type { DirectoryAction } from "./plan.ts";

/** How long to wait for another process of ours that is at the same directory. */
const LOCK_WAIT_SECONDS = 25;
/** Longer than a rename takes; the lease ends by itself when this process dies. */
const LEASE_SECONDS = 10;

/** A managed directory, its name in the register, and its lock in the quarantine. */
type Held = Pick<DirectoryAction, "file" | "lock" | "tracked">;

/** Runs `work` on the quarantine, made when missing. */
export async function withQuarantine<T>(
  { place }: Pick<DirectoryAction, "place">,
  work: (away: Anchor) => Promise<T>,
): Promise<T> {
  const quarantine = dirname(place);
  await mkdir(quarantine, { recursive: true, mode: 0o700 });
  const away = await openAnchor(quarantine, [quarantine]);
  try {
    return await work(away);
  } finally {
    await away.close();
  }
}

/** Runs `work` under the lock of a directory, which stands in the quarantine. */
export async function locked<T>(
  action: Pick<Held, "file" | "lock">,
  away: Anchor,
  context: Context,
  work: (lock: HeldLock) => Promise<T>,
): Promise<T> {
  const { signal } = context;
  const options = { guardDirectory: context.state().directory, signal, waitSeconds: LOCK_WAIT_SECONDS };
  return withLock(away.at(`${basename(action.lock)}${LOCK_SUFFIX}`), action.file, options, work);
}

/** Runs `work` with the exclusive right to move the directory. Throws `locked` when somebody else keeps it. */
export async function withLease(
  { tracked, file }: Pick<Held, "tracked" | "file">,
  store: ManagedStore,
  { signal }: Context,
  work: (lease: Lease) => Promise<void>,
): Promise<void> {
  let lease = await store.lease(tracked.path, LEASE_SECONDS);
  // That of a process of ours that died ends by itself.
  for (let waited = 0; lease === undefined && waited <= LEASE_SECONDS; waited += 1) {
    await delay(1000, undefined, { signal });
    lease = await store.lease(tracked.path, LEASE_SECONDS);
  }
  if (lease === undefined) {
    throw new CacheOpsError("locked", `${file} is locked by another program in the ${store.name} register`, {
      hint: "Wait until it is done. A lock that never ends was left by a program that died: see doctor.",
    });
  }
  try {
    await work(lease);
  } finally {
    await lease.release();
  }
}

/** Throws `stale_plan` when the register says that a directory was used or pinned since the plan. */
export async function assertUnused(
  { tracked, file }: Pick<Held, "tracked" | "file">,
  store: ManagedStore,
): Promise<void> {
  if (tracked.accessedAt === null) return;
  const entry = await store.get(tracked.path);
  if (entry === undefined) throw stale(`${file} is not in the register any more`);
  if (entry.isPinned) throw stale(`${file} was pinned since the plan`);
  if (entry.accessedAt > tracked.accessedAt) throw stale(`${file} was used since the plan`);
}

/** The settings of a managed cache by its name. Throws `not_found` when it is not configured any more. */
export function managedCacheNamed(name: string, { configuration }: Context): ManagedCache {
  const cache = configuration.managed.find((known) => known.name === name);
  if (cache !== undefined) return cache;
  throw new CacheOpsError("not_found", `the managed cache ${name} is not configured any more`, {
    hint: "Put it back into the configuration, or make a new plan.",
  });
}

/** One rename, with nothing of ours between it and the comparison. */
export function moveDirectory(
  from: string,
  to: string,
  seen: { readonly dev: bigint; readonly ino: bigint },
  name: string,
): void {
  const now = lstatSync(from, { bigint: true, throwIfNoEntry: false });
  if (now === undefined || !now.isDirectory() || now.dev !== seen.dev || now.ino !== seen.ino) {
    throw stale(`${from} was replaced by another program meanwhile`);
  }
  if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) throw stale(`${name} exists by now`);
  try {
    renameSync(from, to);
  } catch (error) {
    if (errnoOf(error) !== "EXDEV") throw error;
    throw new CacheOpsError("unavailable", `${name} lies on another file system, so it cannot be moved there`, {
      hint: "Make the disk that is mounted below the root a managed cache of its own.",
    });
  }
}

/** Whether there is anything at a path. */
export async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return false;
    throw error;
  }
}
