import { join, relative, resolve } from "node:path";

import type { Context } from "../../context.ts";
import { CacheOpsError, ERRNO_HINTS } from "../../errors.ts";
import type { Trouble } from "../../finding.ts";
import { guardRoots } from "../../guard.ts";
import { inspectRoot, passportDifference, type Passport } from "../../passport.ts";
import { lookAtRoots, rememberRoots } from "../../planner.ts";
import { presenceOf } from "../../presence.ts";
import { throwIfAborted } from "../../time-limit.ts";
import { parseDuration } from "../../units.ts";
import type { ManagedEntry, ManagedStore, ManagedTotals, Registration } from "./managed-store.ts";
import { isKnown, type Measurement, type TreeFigures } from "./measure.ts";
import { measureMany } from "./measure-many.ts";
import type { TreeLook } from "./measure-thread.ts";
import { assertAbsolute, memberPath } from "./member-path.ts";
import { directoriesAt } from "./members.ts";
import { keepsAccessTimes } from "./mounts.ts";
import type { ManagedCache } from "./settings.ts";

/** What a reconciliation found and did. */
export interface Reconciliation {
  /** Directories that were new to the register. */
  readonly registered: number;
  /** Known ones whose size or last use was other than the register had it. */
  readonly corrected: number;
  readonly unchanged: number;
  /** Directories on the disk that are in no register, because they are not registered by themselves. */
  readonly untracked: number;
  /** What the register had and the disk has not, and was forgotten. */
  readonly orphans: readonly string[];
  /** Directories that were written to within the time to settle: their size will be another soon. */
  readonly unsettled: readonly string[];
  readonly troubles: readonly Trouble[];
  readonly before: Pick<ManagedTotals, "directories" | "bytes">;
  readonly after: Pick<ManagedTotals, "directories" | "bytes">;
}

/** Registrations written together. */
const BATCH = 500;

/**
 * Makes a register say what the disk says: registers directories that are new (unless `autoRegister` is off), corrects
 * sizes and last uses, forgets directories that are gone. Running it again changes nothing.
 *
 * Every tree is measured each time: the time of a directory tells nothing of what changed deeper in it. Last use is the
 * newest write, or the newest reading of a file where the mount keeps times of access; programs that read everything,
 * such as backups, count as use there.
 *
 * Whatever cannot be seen whole stays as it is and is a trouble. Nothing is touched at all while the root is missing,
 * empty, unreadable or another place than it was, and nothing is forgotten when it became so meanwhile.
 *
 * Throws `interrupted` when the signal is aborted, `invalid_input` for a relative root, and as the store does.
 */
export async function reconcile(cache: ManagedCache, store: ManagedStore, context: Context): Promise<Reconciliation> {
  assertAbsolute(cache);
  const before = await store.totals();
  const found: Found = { registered: 0, corrected: 0, unchanged: 0, untracked: 0, unsettled: [], troubles: [] };
  const passport = await healthyRoot(cache, before, found.troubles, context);
  const orphans = passport === undefined ? [] : await compare(cache, store, passport, found, context);
  const after = await store.totals();
  return { ...found, orphans, before: figuresOf(before), after: figuresOf(after) };
}

type Found = { -readonly [Name in "registered" | "corrected" | "unchanged" | "untracked"]: number } & {
  readonly unsettled: string[];
  readonly troubles: Trouble[];
};

const figuresOf = ({ directories, bytes }: ManagedTotals) => ({ directories, bytes });

async function healthyRoot(
  cache: ManagedCache,
  { directories }: ManagedTotals,
  troubles: Trouble[],
  context: Context,
): Promise<Passport | undefined> {
  const looked = await lookAtRoots([resolve(cache.root)], context);
  const [state] = looked.map((root) => root.state);
  // A cache that never held anything has an empty root.
  if (state?.state === "empty" && directories === 0) return undefined;
  for (const { guard, path, message, advice } of guardRoots(looked, [])) {
    const how = guard === "root_changed" ? `\`evict ${cache.name} --allow root_changed\` accepts it.` : "";
    troubles.push({ path, code: guard, message: `${message}. ${advice} ${how}`.trim() });
  }
  if (state?.state !== "healthy" || troubles.length > 0) return undefined;
  rememberRoots([state.passport], context);
  return state.passport;
}

/** Compares register and disk; returns what was forgotten. */
async function compare(
  cache: ManagedCache,
  store: ManagedStore,
  passport: Passport,
  found: Found,
  context: Context,
): Promise<string[]> {
  const { signal } = context;
  const timeLimitSeconds = parseDuration(context.configuration.timeLimit);
  const options = { signal, timeLimitSeconds };
  const level = await directoriesAt(passport.realPath, "", cache.depth, options);
  found.troubles.push(...level.troubles);
  const keepsTimes = (await keepsAccessTimes(passport.realPath)) !== "no";
  const corrections: Correction[] = [];
  let done = 0;
  const flush = async () => {
    const batch: Registration[] = [];
    for (const { isKnown, ...registration } of corrections.splice(0)) {
      // What was forgotten or evicted while it was measured stays so.
      if (!isKnown || (await store.get(registration.path)) !== undefined) batch.push(registration);
    }
    if (batch.length > 0) await store.register(batch, context.now());
  };
  const known = new Set<string>();
  const candidates = await store.candidates();
  for (let index = 0; index < candidates.count; index += 1) known.add(candidates.pathOf(index));
  const members: string[] = [];
  for (const path of level.directories) {
    if (cache.autoRegister || known.has(path)) members.push(join(passport.realPath, path));
    else found.untracked += 1;
  }
  const scene = { cache, store, known, keepsTimes, found, context };
  await measureMany(members, passport.device, options, async (directory, look) => {
    const figures = knownFigures(directory, look, found.troubles);
    const path = relative(passport.realPath, directory);
    const registration = figures && (await correctionFor(path, figures, scene));
    if (registration !== undefined && corrections.push(registration) >= BATCH) await flush();
    done += 1;
    context.progress({ message: `measuring directories of ${cache.name}`, done, total: members.length });
  });
  await flush();
  return forgetGone(cache, store, passport, new Set(level.directories), found, context);
}

interface Scene {
  readonly cache: ManagedCache;
  readonly store: ManagedStore;
  /** What the register held before anything was measured. */
  readonly known: ReadonlySet<string>;
  readonly keepsTimes: boolean;
  readonly found: Found;
  readonly context: Context;
}

/** What the register should be told, and whether it had the directory before. */
type Correction = Registration & { readonly isKnown: boolean };

/** What the register should be told of a directory, if anything. */
async function correctionFor(
  path: string,
  figures: TreeFigures,
  { cache, store, known, keepsTimes, found, context }: Scene,
): Promise<Correction | undefined> {
  const entry = await store.get(path);
  // It was forgotten meanwhile.
  if (entry === undefined && known.has(path)) return undefined;
  const now = context.now();
  if (now - figures.newestMtimeMs < parseDuration(cache.settle) * 1000) found.unsettled.push(path);
  const accessedAt = lastUse(figures, keepsTimes, now);
  const { bytes, files } = figures;
  if (entry === undefined) {
    found.registered += 1;
    // Its TTL begins now: what was copied with its old times would expire at once.
    if (cache.ttl !== undefined) return { path, bytes, files, isKnown: false };
  }
  // Registers keep times to the millisecond.
  else if (
    !isUnmeasured(entry, store) &&
    entry.bytes === bytes &&
    entry.files === files &&
    accessedAt - entry.accessedAt < 1
  ) {
    found.unchanged += 1;
    return undefined;
  } else found.corrected += 1;
  return { path, bytes, files, accessedAt, isKnown: entry !== undefined };
}

/** What another program put into a shared register has no size yet, and must get one even if that is nothing. */
function isUnmeasured({ bytes, files }: ManagedEntry, { name }: ManagedStore): boolean {
  return name === "redis" && bytes === 0 && files === 0;
}

/** When a tree was last used as far as the disk says, in whole milliseconds since 1970; never in the future. */
export function lastUse(
  { newestMtimeMs, newestAtimeMs }: Pick<Measurement, "newestMtimeMs" | "newestAtimeMs">,
  keepsTimes: boolean,
  now: number,
): number {
  return Math.floor(Math.min(now, Math.max(newestMtimeMs, keepsTimes ? newestAtimeMs : -Infinity)));
}

/** The figures of a tree of which everything is known; otherwise what stands against it is a trouble. */
function knownFigures(directory: string, look: TreeLook, troubles: Trouble[]): TreeFigures | undefined {
  if ("figures" in look && isKnown(look.figures)) return look.figures;
  const [first] = "figures" in look ? look.figures.unreadable : [];
  if (first !== undefined) {
    troubles.push({ ...first, message: `cannot be read, so the size of ${directory} is not known` });
  } else if ("code" in look) {
    troubles.push({ path: directory, code: look.code, message: ERRNO_HINTS[look.code] ?? "cannot be measured" });
  } else {
    const message = "another file system is mounted here, so its size is not known and it is left alone";
    troubles.push({ path: directory, code: "foreign_device", message });
  }
  return undefined;
}

async function forgetGone(
  cache: ManagedCache,
  store: ManagedStore,
  passport: Passport,
  seen: ReadonlySet<string>,
  { troubles }: Found,
  context: Context,
): Promise<string[]> {
  const timeLimitSeconds = parseDuration(context.configuration.timeLimit);
  const candidates = await store.candidates();
  const gone: string[] = [];
  for (let index = 0; index < candidates.count; index += 1) {
    const path = candidates.pathOf(index);
    if (seen.has(path)) continue;
    throwIfAborted(context.signal);
    const place = join(passport.realPath, path);
    const presence = isMemberPath(cache, path) ? await presenceOf(place, timeLimitSeconds) : undefined;
    if (presence?.state === "gone") gone.push(path);
    else {
      const message = "is in the register, and on the disk is no directory of this cache; `forget` takes it out";
      troubles.push({ path: place, code: "not_a_member", message });
    }
  }
  if (gone.length === 0) return [];
  const now = await inspectRoot(passport.root, timeLimitSeconds);
  const difference =
    now.state === "healthy" ? passportDifference(passport, now.passport, "plan") : `${now.state}: ${now.detail}`;
  if (difference !== undefined) {
    const message = `the root changed meanwhile (${difference}), so nothing was forgotten`;
    troubles.push({ path: passport.root, code: "root_changed", message });
    return [];
  }
  await store.forget(gone);
  return gone;
}

/** Whether a path of the register can be one of this cache: others may write to it, too. */
function isMemberPath(cache: ManagedCache, path: string): boolean {
  try {
    return memberPath(cache, path) === path;
  } catch (error) {
    if (error instanceof CacheOpsError) return false;
    throw error;
  }
}
