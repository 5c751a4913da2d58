import { readdir } from "node:fs/promises";
import { posix } from "node:path";

import { CacheOpsError, errnoOf } from "../../errors.ts";
import { printable } from "../../printable.ts";
import { removeTree } from "../../remove-tree.ts";
import { throwIfAborted } from "../../time-limit.ts";
import type { ContainerCleanAction } from "./container-action.ts";
import type { ContainerEngine } from "./container-api.ts";
import { measureDirectory, type CacheMeasurement, type MeasureOptions } from "./container-measure.ts";
import { whyNotCleanable } from "./container-place.ts";
import { complaintOf, couldNotRun } from "./container-programs.ts";
import { withDirectory } from "./container-root.ts";
import type { SeenContainer } from "./container.ts";

/** What a cleaning did, by two measurements. */
export interface ContainerCleaned {
  /** `complete`: measured empty. `partial`: something is left. `unverified`: it began, and what is left is not known. */
  readonly state: "complete" | "partial" | "unverified";
  readonly before: Extract<CacheMeasurement, { readonly state: "measured" }>;
  readonly after: CacheMeasurement;
  /** Bytes before less bytes after; below zero when somebody wrote meanwhile. Null: not known. */
  readonly freedBytes: number | null;
  /** What the removal complained about, as it may be shown. */
  readonly complaint: string | null;
}

/** How a cleaning is carried out. */
export interface CleanOptions {
  readonly signal: AbortSignal;
  /** For each look, and for the removal. */
  readonly limitSeconds: number;
  /** Asked right before the removal: throws when the engine is in use by now. */
  readonly assertIdle: () => Promise<void>;
}

/**
 * Removes the contents of a cache directory in a container and measures again. The directory stays.
 *
 * Throws, with nothing removed, `stale_plan` when container, life or contents are not those of the plan, `blocked` when
 * it is not running or what `assertIdle` throws, `forbidden` when it is read-only or no cache directory, `unavailable`
 * when it cannot be measured or the image has nothing to remove with, `interrupted`. Once the removal began it does not
 * throw: when its end was not seen, it is `unverified`.
 */
export async function performContainerClean(
  action: ContainerCleanAction,
  engine: ContainerEngine,
  { signal, limitSeconds, assertIdle }: CleanOptions,
): Promise<ContainerCleaned> {
  const { path, user, seen } = action;
  const options = { signal, limitSeconds, user };
  const container = await assertSameContainer(action, engine);
  const before = await measureDirectory(engine, container, path, options);
  if (before.state === "absent") throw stale(`${shown(action)} is not there any more`);
  if (before.state === "unknown") {
    throw new CacheOpsError("unavailable", `${shown(action)} cannot be measured: ${before.reason}`, {
      hint: "Nothing was removed. What cannot be measured is left alone.",
    });
  }
  // (1) Nothing goes unless it is still as the planner saw it.
  if (before.sha256 !== seen.sha256 || before.bytes !== seen.size) {
    throw stale(`${shown(action)} was changed since the plan`);
  }
  await assertIdle();
  await assertSameContainer(action, engine);
  throwIfAborted(signal);
  const { complaint, isEndSeen } = await remove(engine, container, action, before.children, options);
  const after: CacheMeasurement = isEndSeen
    ? await measureAfter(action, engine, options)
    : { state: "unknown", reason: "the removal may still go on" };
  if (after.state === "measured" && after.sha256 === before.sha256 && after.entries > 0) {
    throw refused(action, complaint ?? "nothing went");
  }
  const freedBytes = after.state === "measured" ? before.bytes - after.bytes : null;
  const state = after.state !== "measured" ? "unverified" : after.entries === 0 ? "complete" : "partial";
  return { state, before, after, freedBytes, complaint };
}

/**
 * The container of the plan, in the same life and fit for a removal. Throws `stale_plan` when it is gone or was started
 * anew, `blocked` when it is not running, `forbidden` when its cache is read-only or no cache directory.
 */
export async function assertSameContainer(
  action: ContainerCleanAction,
  engine: ContainerEngine,
): Promise<SeenContainer> {
  const { id, image, startedAt } = action.container;
  let container: SeenContainer;
  try {
    container = await engine.inspect(id);
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code !== "not_found") throw error;
    throw stale(`the container ${printable(action.container.name)} is not there any more`);
  }
  // First its state: a container that was stopped keeps its start time.
  const why = whyNotCleanable(container, action.path);
  if (why !== undefined) {
    const code = container.state === "running" ? "forbidden" : "blocked";
    throw new CacheOpsError(code, `${shown(action)} is not cleaned: ${why}`, {
      hint:
        code === "blocked" ? "Start the container, or let it go on, and make a new plan." : "Set another directory.",
    });
  }
  if (container.startedAt !== startedAt || container.image !== image) {
    throw stale(`the container ${printable(action.container.name)} was started anew since the plan`);
  }
  return container;
}

async function measureAfter(
  action: ContainerCleanAction,
  engine: ContainerEngine,
  options: MeasureOptions,
): Promise<CacheMeasurement> {
  try {
    const container = await engine.inspect(action.container.id);
    if (container.startedAt !== action.container.startedAt) {
      return { state: "unknown", reason: "the container was started anew meanwhile" };
    }
    return await measureDirectory(engine, container, action.path, options);
  } catch (error) {
    if (!(error instanceof CacheOpsError)) throw error;
    return { state: "unknown", reason: error.message };
  }
}

type RemoveOptions = Pick<MeasureOptions, "user" | "limitSeconds" | "signal">;

/** Names for one run of `rm`. */
const NAMES_AT_ONCE = 200;
/** What comes back from a program that was ended for its time, by GNU's or BusyBox's `timeout`. */
const ENDED = new Set([124, 137, 143]);

/** What a removal complained about first, if anything, and whether it is known to be over. */
interface Removal {
  readonly complaint: string | null;
  readonly isEndSeen: boolean;
}

/**
 * Removes what is in the directory by the first way that the image allows: `find` alone, `find` with `rm`, `rm`, or
 * nothing of the image at all.
 */
async function remove(
  engine: ContainerEngine,
  container: SeenContainer,
  action: ContainerCleanAction,
  children: readonly string[],
  options: RemoveOptions,
): Promise<Removal> {
  const run = (argv: readonly string[]) => runBounded(engine, action, argv, options);
  const find = ["find", action.path, "-xdev", "-mindepth", "1"];
  const deleted = await run([...find, "-delete"]);
  if (deleted !== "unable") return deleted;
  // It says nothing to no names, where it is.
  if ((await run(["rm", "-f"])) === "unable") return removeByProcess(container, action);
  // Names that are not UTF-8 go only this way: they cannot be given to the engine.
  const found = await run([...find, "-maxdepth", "1", "-exec", "rm", "-rf", "--", "{}", "+"]);
  if (found !== "unable") return found;
  let complaint: string | null = null;
  for (let start = 0; start < children.length; start += NAMES_AT_ONCE) {
    const names = children.slice(start, start + NAMES_AT_ONCE).map((name) => Buffer.from(name, "latin1").toString());
    const removed = await run(["rm", "-rf", "--", ...names.map((name) => posix.join(action.path, name))]);
    if (removed === "unable") continue;
    if (!removed.isEndSeen) return removed;
    complaint ??= removed.complaint;
  }
  return { complaint, isEndSeen: true };
}

/**
 * Runs a program that removes, so that the container itself ends it when the time is over, if it has `timeout`. `unable`
 * when it is not there, or not like that.
 */
async function runBounded(
  engine: ContainerEngine,
  action: ContainerCleanAction,
  argv: readonly string[],
  { user, limitSeconds }: RemoveOptions,
): Promise<Removal | "unable"> {
  const { id } = action.container;
  const options = { user, limitSeconds: limitSeconds + GRACE_SECONDS };
  try {
    let ran = await engine.run(id, ["timeout", "-s", "KILL", String(limitSeconds), ...argv], options);
    if (couldNotRun(ran)) ran = await engine.run(id, argv, options);
    // BusyBox can be built without -delete.
    if (couldNotRun(ran) || /^find: un(?:recognized|known).*-delete/m.test(ran.stderr)) return "unable";
    if (ran.exitCode === 0) return { complaint: null, isEndSeen: true };
    const complaint = ENDED.has(ran.exitCode) ? `ended after ${limitSeconds} s` : complaintOf(ran);
    return { complaint, isEndSeen: true };
  } catch (error) {
    if (!(error instanceof CacheOpsError)) throw error;
    return { complaint: `its end was not seen: ${error.message}`, isEndSeen: false };
  }
}

const GRACE_SECONDS = 10;

async function removeByProcess(container: SeenContainer, action: ContainerCleanAction): Promise<Removal> {
  const held = await withDirectory(container, action.path, async (place) => {
    let complaint: string | null = null;
    for (const name of await readdir(place)) {
      try {
        await removeTree(place, name);
      } catch (error) {
        const errno = errnoOf(error);
        if (errno === undefined) throw error;
        complaint ??= `${printable(name)}: ${errno}`;
      }
    }
    return { complaint, isEndSeen: true };
  });
  if (held.state === "used") return held.result;
  const why = held.state === "absent" ? "the directory is gone" : held.reason;
  throw refused(action, `the image has neither find nor rm, and there is no other way (${why})`);
}

function refused(action: ContainerCleanAction, why: string): CacheOpsError {
  const isReadOnly = /read-only|EROFS|permission|EACCES|EPERM/i.test(why);
  return new CacheOpsError(isReadOnly ? "forbidden" : "unavailable", `${shown(action)}: nothing was removed: ${why}`, {
    hint: isReadOnly
      ? "Mount the cache writable, or set the user that programs in the container run as."
      : "Run cache-ops as root on the host of the engine, or add find to the image.",
  });
}

function stale(message: string): CacheOpsError {
  return new CacheOpsError("stale_plan", message, { hint: "Nothing was removed. Make a new plan." });
}

function shown({ container, path }: ContainerCleanAction): string {
  return printable(`${container.name}:${path}`);
}
