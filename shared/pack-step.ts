import { createReadStream } from "node:fs";
import { lstat, mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import PQueue from "p-queue";

import { openAnchor, type Anchor } from "./anchor.ts";
import { removeTemp } from "./atomic.ts";
import { withManagedStore } from "./caches/managed/open.ts";
import { makePack, removePack, sizeOfPack, withPackFile } from "./caches/managed/pack-place.ts";
import { withPacks } from "./caches/managed/packs.ts";
import { stageOf } from "./caches/managed/cold.ts";
import type { ManagedCache } from "./caches/managed/settings.ts";
import { makeTreeWriter } from "./caches/managed/tree-writer.ts";
import { seeTree } from "./caches/managed/tree.ts";
import { readPack } from "./caches/managed/unpack.ts";
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
import type { DirectoryScope } from "./directory-step.ts";
import { errnoOf, stale } from "./errors.ts";
import type { Content } from "./file.ts";
import { blankStep, type Step } from "./journal.ts";
import type { HeldLock } from "./lock.ts";
import type { PackTarget } from "./change.ts";
import type { Action, PackAction } from "./plan.ts";
import { removeTree } from "./remove-tree.ts";

/*
 * Steps on the packs of managed directories. A pack counts once it was read back and verified where it lies and stands
 * among the packs of this host; before that its original cannot go, for that waits for this step. A directory is
 * unpacked in the quarantine and appears at its place by one rename, whole.
 */

/** Packing takes a processor core and tens of megabytes, whatever there is to do beside. */
const AT_ONCE = 2;
const atWork = new PQueue({ concurrency: AT_ONCE });

type PackDirectory = Extract<PackAction, { readonly type: "pack_directory" }>;
type UnpackDirectory = Extract<PackAction, { readonly type: "unpack_directory" }>;
type RemovePack = Extract<PackAction, { readonly type: "remove_pack" }>;

/** Compares directory and pack with what the planner saw. Throws `stale_plan` when they differ; changes nothing. */
export async function preparePack(action: PackAction, context: Context): Promise<Step> {
  const { type, file, target, seen } = action;
  let size: number | undefined;
  if (type === "pack_directory") {
    if ((await seeTree(file, context))?.content.sha256 !== seen.sha256) throw stale(`${file} changed since the plan`);
  } else {
    if (type === "unpack_directory" && (await isThere(file))) throw stale(`${file} exists by now`);
    size = await sizeOfPack(target, managedCacheNamed(action.tracked.cache, context), context);
    // One whose removal was interrupted is gone already, and only has to be forgotten.
    const isRemoved = type === "remove_pack" && size === undefined;
    if (size !== seen.size && !isRemoved)
      throw stale(`the pack ${nameOf(target)} ${size === undefined ? "is gone" : "has changed"}`);
  }
  const isFreed = type === "remove_pack" && "file" in target && size !== undefined;
  return {
    ...blankStep(action),
    temp: type === "unpack_directory" ? action.stage : "",
    before: isFreed ? seen : null,
  };
}

/**
 * Carries a pack action out, under the lock of its directory. Returns what it made that takes room on the disk: the
 * pack, or the directory. Throws where it must not.
 */
export async function performPack(
  action: PackAction,
  { realRoots, changed }: DirectoryScope,
  context: Context,
): Promise<Content | null> {
  const cache = managedCacheNamed(action.tracked.cache, context);
  const perform = (away: Anchor) =>
    locked(action, away, context, async (lock) => {
      if (action.type === "unpack_directory") {
        return unpack(action, { away, lock, cache, realRoots, changed }, context);
      }
      const made = action.type === "pack_directory" ? await pack(action, cache, context) : null;
      if (action.type === "remove_pack") await remove(action, cache, context);
      changed();
      return made;
    });
  return atWork.add(() => withQuarantine({ place: action.lock }, perform));
}

async function pack(action: PackDirectory, cache: ManagedCache, context: Context): Promise<Content | null> {
  const { file, target, seen, tracked } = action;
  await withManagedStore(cache, context, (store) => assertUnused(action, store));
  const wish = { directory: file, path: tracked.path, seen: seen.sha256, bytes: seen.size, target };
  const { content, tree } = await makePack(wish, cache, context);
  try {
    withPacks(context, (packs) =>
      packs.note({ cache: cache.name, path: tracked.path, target, content, tree, packedAt: context.now() }),
    );
  } catch (error) {
    // A pack that nobody knows of would lie there for ever.
    await Promise.allSettled([removePack(target, cache, context)]);
    throw error;
  }
  return "file" in target ? content : null;
}

interface Scene {
  readonly away: Anchor;
  readonly lock: HeldLock;
  readonly cache: ManagedCache;
  readonly realRoots: readonly string[];
  readonly changed: () => void;
}

async function unpack(action: UnpackDirectory, scene: Scene, context: Context): Promise<Content> {
  const { file, target, seen, holds, stage } = action;
  const { away, lock, cache, realRoots, changed } = scene;
  const expected = { content: seen, tree: holds };
  const [staged, download] = [away.at(basename(stage)), away.at(downloadOf(stage))];
  if (await isThere(stage)) throw stale(`${stage} exists by now`);
  await makeParents(action, realRoots);
  const home = await openAnchor(dirname(file), realRoots);
  try {
    // (1) The whole pack is verified before anything of it is unpacked, and all that was unpacked before it is used.
    await withPackFile(target, expected, download, cache, context, (from) =>
      readPack(createReadStream(from), expected, context, makeTreeWriter(staged)),
    );
    await withManagedStore(cache, context, async (store) => {
      await withLease(action, store, context, async (lease) => {
        const identity = await lstat(staged, { bigint: true });
        await lease.assertHeld();
        lock.assertHeld();
        moveDirectory(staged, home.at(basename(file)), identity, file);
        changed();
        await Promise.all([home.sync(), away.sync()]);
      });
    });
  } finally {
    await clear(action, away);
    await home.close();
  }
  return noteWarm(action, cache, context);
}

/** Makes the directories between the root and a directory, as far as they are missing; through no link. */
async function makeParents({ tracked }: UnpackDirectory, realRoots: readonly string[]): Promise<void> {
  let parent = tracked.root;
  for (const name of tracked.path.split("/").slice(0, -1)) {
    const anchor = await openAnchor(parent, realRoots);
    try {
      await mkdir(anchor.at(name));
      await anchor.sync();
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
    } finally {
      await anchor.close();
    }
    parent = join(parent, name);
  }
}

/** Removes what was unpacked or downloaded and did not get to its place. */
async function clear({ stage }: UnpackDirectory, away: Anchor): Promise<void> {
  await removeTemp(away.at(downloadOf(stage)));
  await removeTree(away.at("."), basename(stage));
}

function downloadOf(stage: string): string {
  return `${basename(stage)}.pack`;
}

/** A directory that is back is registered and counts as used just now. */
async function noteWarm(action: UnpackDirectory, cache: ManagedCache, context: Context): Promise<Content> {
  const { file, target, tracked } = action;
  const tree = await seeTree(file, context);
  if (tree === undefined) throw stale(`${file} is gone again`);
  const { bytes, files } = tree.measurement;
  const now = context.now();
  await withManagedStore(cache, context, async (store) => {
    await store.register([{ path: tracked.path, bytes, files, accessedAt: now }], now);
    await store.touch(tracked.path, now);
  });
  withPacks(context, (packs) => packs.noteWarmed(target, now));
  return tree.content;
}

/** A pack goes only while its directory is there: it may be the only copy. */
async function remove({ file, target }: RemovePack, cache: ManagedCache, context: Context): Promise<void> {
  if (!(await isThere(file))) throw stale(`${file} is not there, and its pack may be the only copy`);
  await removePack(target, cache, context);
  withPacks(context, (packs) => packs.forget(target));
}

/**
 * How far a pack action came whose process died; what it left half done is cleared away. `again`, `foreign` (neither as
 * before nor as after), or done, with what takes room on the disk since.
 */
export async function examinePack(
  action: PackAction,
  context: Context,
): Promise<"again" | "foreign" | { readonly after: Content | null }> {
  const { target, tracked } = action;
  const cache = managedCacheNamed(tracked.cache, context);
  return withQuarantine({ place: action.lock }, (away) =>
    locked(action, away, context, async () => {
      if (action.type === "remove_pack") return "again";
      if (action.type === "pack_directory") {
        const noted = withPacks(context, (packs) => packs.at(target));
        if (noted !== undefined) return { after: "file" in target ? noted.content : null };
        await removePack(target, cache, context);
        return "again";
      }
      const isStaged = await isThere(action.stage);
      await clear(action, away);
      if (isStaged || !(await isThere(action.file))) return "again";
      const found = (await seeTree(action.file, context))?.measurement;
      const isOurs = found?.bytes === action.holds.bytes && found.files + found.directories === action.holds.names;
      return isOurs ? { after: await noteWarm(action, cache, context) } : "foreign";
    }),
  );
}

/**
 * The action that takes a pack action back, given those before it that take back what came after it, or `undefined`
 * when none is needed. `hasLeft` says whether its original went after it was packed. A pack goes when its original is
 * back, or never went. Where the original is lost it comes back from the pack, which stays; an action that would have
 * returned it from the quarantine is exchanged in `actions` then.
 */
export async function reversePack(
  action: PackAction,
  { after, hasLeft }: Pick<Step, "after"> & { readonly hasLeft: boolean },
  actions: Action[],
  context: Context,
): Promise<Action | undefined> {
  const { file, lock, changes, target } = action;
  const tracked = { ...action.tracked, accessedAt: null };
  const common = { seq: actions.length + 1, file, lock, changes, after: [], evidence: [], tracked };
  if (action.type === "remove_pack") return undefined;
  if (action.type === "unpack_directory") {
    const seen = after ?? (await seeTree(file, context))?.content;
    return seen && { type: "quarantine_directory", ...common, seen, place: action.stage };
  }
  const noted = withPacks(context, (packs) => packs.at(target));
  if (noted === undefined) return undefined;
  const back = actions.find((other) => other.type === "return_directory" && other.file === file);
  const isKept = back?.type === "return_directory" && (await isThere(back.place));
  const isHere = !hasLeft || (await seeTree(file, context))?.content.sha256 === action.seen.sha256;
  if (isKept || isHere) {
    const after = isKept && back !== undefined ? [back.seq] : [];
    return { type: "remove_pack", ...common, after, seen: noted.content, target };
  }
  const { content: seen, tree: holds } = noted;
  const stage = stageOf(dirname(lock), tracked.path);
  const unpacking: Action = { type: "unpack_directory", ...common, seen, holds, target, stage };
  if (back === undefined) return unpacking;
  actions[actions.indexOf(back)] = { ...unpacking, seq: back.seq };
  return undefined;
}

function nameOf(target: PackTarget): string {
  return "file" in target ? target.file : target.key;
}
