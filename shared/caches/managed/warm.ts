import { statfs } from "node:fs/promises";
import { join, resolve } from "node:path";

import type { Context } from "../../context.ts";
import type { ChangeDraft } from "../../draft.ts";
import { isThere } from "../../directory-hold.ts";
import { CacheOpsError } from "../../errors.ts";
import type { Trouble } from "../../finding.ts";
import { guardRoots, type GuardName } from "../../guard.ts";
import { assertConfined } from "../../library.ts";
import type { Skipped } from "../../plan.ts";
import { printable } from "../../printable.ts";
import { lookAtRoots, rememberRoots, storePlan, type MadePlan } from "../../planner.ts";
import { formatBytes, parseDuration } from "../../units.ts";
import { stageOf } from "./cold.ts";
import { managedCacheFor } from "./configured.ts";
import { draftManaged } from "./draft.ts";
import { memberPath } from "./member-path.ts";
import { withManagedStore } from "./open.ts";
import { sizeOfPack } from "./pack-place.ts";
import { withPacks, type Pack } from "./packs.ts";
import { quarantineOf } from "./quarantine.ts";
import type { ManagedCache } from "./settings.ts";

/** What is to be brought back. */
export interface WarmRequest {
  /** Name of the managed cache; none: the only one, or the one that holds the first path. */
  readonly cache: string | undefined;
  /** Relative to its root, or absolute. */
  readonly paths: readonly string[];
  readonly allow: readonly GuardName[];
}

/**
 * Plans which packed or archived directories come back to their places, in the order they were asked for. Changes
 * nothing. What is there already or was never packed is left alone by a rule; what there is no room for, or whose pack
 * cannot be had, is a trouble.
 *
 * Throws `invalid_input` that names what is packed when no path is given, else as {@link managedCacheFor} and {@link memberPath} do.
 */
export async function planWarm({ cache: name, paths, allow }: WarmRequest, context: Context): Promise<MadePlan> {
  const cache = await managedCacheFor(name, paths[0], context);
  const root = resolve(cache.root);
  await assertConfined([root], context);
  if (paths.length === 0) throw nothingNamed(cache, context);
  const looked = await lookAtRoots([root], context);
  const blocked = guardRoots(looked, allow);
  const [found] = looked;
  const passports = found?.state.state === "healthy" ? [found.state.passport] : [];
  const [passport] = passports;
  const changes: ChangeDraft[] = [];
  const skipped: Skipped[] = [];
  const troubles: Trouble[] = [];
  if (passport !== undefined && blocked.length === 0) {
    rememberRoots(passports, context);
    const { realPath: realRoot } = passport;
    const words = paths.map((word) => memberPath(cache, word, realRoot));
    const room = await roomOf(cache, realRoot, context);
    for (const path of new Set(words)) {
      const directory = join(realRoot, path);
      const leave = (rule: string) => skipped.push({ cache: root, entry: path, name: path, rule, observed: null });
      const pack = withPacks(context, (packs) => packs.list(cache.name, path))[0];
      if (await isThere(directory)) leave("already_there");
      else if (pack === undefined) leave("not_packed");
      else {
        const trouble = (await objectionTo(pack, cache, context)) ?? room.take(pack);
        if (trouble === undefined) changes.push(warmingOf(pack, { cache, root, realRoot, directory }));
        else troubles.push({ path: directory, ...trouble });
      }
    }
  }
  const draft = await draftManaged(changes.map((change, index) => ({ ...change, id: index + 1 })));
  return storePlan(draft, { operation: "warm", passports, blocked, kept: {}, skipped, troubles }, context);
}

/** How many packed directories a hint names. */
const MOST_NAMED = 10;

function nothingNamed(cache: ManagedCache, context: Context): CacheOpsError {
  const packed = [...new Set(withPacks(context, (packs) => packs.list(cache.name)).map(({ path }) => path))];
  const named = packed.slice(0, MOST_NAMED).map(printable).join(", ");
  const more = packed.length > MOST_NAMED ? ` and ${packed.length - MOST_NAMED} more` : "";
  return new CacheOpsError("invalid_input", "no directory is named that should come back", {
    hint: packed.length === 0 ? `Nothing of ${cache.name} is packed.` : `Packed of ${cache.name}: ${named}${more}.`,
  });
}

interface Place {
  readonly cache: ManagedCache;
  readonly root: string;
  readonly realRoot: string;
  readonly directory: string;
}

function warmingOf({ path, target, content, tree, packedAt }: Pack, place: Place): ChangeDraft {
  const { cache, root, realRoot, directory } = place;
  const how = "file" in target ? "packed" : "archived";
  return {
    does: "warm",
    kind: "managed",
    cache: root,
    entry: path,
    name: path,
    problem: "changed",
    reason: { rule: how, observed: new Date(packedAt).toISOString() },
    path: directory,
    to: stageOf(quarantineOf(cache, realRoot), path),
    tracked: {
      cache: cache.name,
      root: realRoot,
      path,
      accessedAt: null,
      keepSeconds: parseDuration(cache.quarantine),
    },
    pack: { target, content, tree, isOnlyCopy: true },
    evidence: [{ path: directory, expect: "gone" }],
  };
}

type Objection = Pick<Trouble, "code" | "message">;

/** Why a pack cannot be unpacked, as far as its place says without being read. */
async function objectionTo(pack: Pack, cache: ManagedCache, context: Context): Promise<Objection | undefined> {
  try {
    const size = await sizeOfPack(pack.target, cache, context);
    if (size === pack.content.size) return undefined;
    const place = "file" in pack.target ? pack.target.file : `${pack.target.key} in ${pack.target.bucket}`;
    return size === undefined
      ? { code: "pack_gone", message: `its pack ${place} is gone` }
      : { code: "corrupt", message: `its pack ${place} has ${size} bytes instead of ${pack.content.size}` };
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code === "interrupted") throw error;
    return { code: error.code, message: error.message };
  }
}

/** How much comes back before the quota or the disk is full. A pack that is an object lies on the disk meanwhile. */
async function roomOf(cache: ManagedCache, realRoot: string, context: Context) {
  const { bytes: used } = await withManagedStore(cache, context, (store) => store.totals());
  const { bavail, bsize } = await statfs(realRoot);
  let quota = cache.maxBytes === undefined ? Infinity : cache.maxBytes - used;
  let disk = bavail * bsize - (cache.minFreeBytes ?? 0);
  return {
    take({ tree: { bytes }, target, content }: Pack): Objection | undefined {
      const needed = bytes + ("file" in target ? 0 : content.size);
      if (bytes > quota || needed > disk) {
        const [what, left] = bytes > quota ? ["under the quota", quota] : ["on the disk", disk];
        const message = `it needs ${formatBytes(Math.max(bytes, 0))}, and ${formatBytes(Math.max(left, 0))} are left ${what}`;
        return { code: "no_room", message };
      }
      quota -= bytes;
      disk -= needed;
      return undefined;
    },
  };
}
