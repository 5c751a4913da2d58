import { stat, statfs } from "node:fs/promises";
import { basename, resolve } from "node:path";

import type { Context } from "../../context.ts";
import { CacheOpsError } from "../../errors.ts";
import type { Trouble } from "../../finding.ts";
import type { Passport } from "../../passport.ts";
import type { Skipped } from "../../plan.ts";
import type { Found, Scan, SeenCache } from "../../scan.ts";
import { parseDuration } from "../../units.ts";
import { chooseDirectories, roomReason, trackedOf, treeEvidence, type Need } from "./choose.ts";
import { spentPacks } from "./cold.ts";
import type { ManagedTotals } from "./managed-store.ts";
import { withManagedStore } from "./open.ts";
import { quarantinedIn, quarantineOf, type QuarantinedDirectory } from "./quarantine.ts";
import type { EvictionPolicy, ManagedCache } from "./settings.ts";
import { seeTree } from "./tree.ts";

/** What is to go beyond what the settings of a managed cache say. */
export interface EvictionRequest {
  /** Just these directories, whatever the quota says. */
  readonly paths?: readonly string[] | undefined;
  readonly policy?: EvictionPolicy | undefined;
  /** Bytes to free, whatever the quota says. */
  readonly bytes?: number | undefined;
  /** Free space at once, without a stay in the quarantine. */
  readonly isUrgent: boolean;
  /** Whether directories are archived first, where the settings name an object store. */
  readonly archives: boolean;
  /** Whether directories that are in use may go, too. */
  readonly allowsInUse: boolean;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

const NOTHING_MORE: EvictionRequest = {
  isUrgent: false,
  archives: true,
  allowsInUse: false,
  include: [],
  exclude: [],
};

/** A managed cache at work: its settings, where it really lies, what its disk and register say. */
export interface ManagedScene {
  readonly cache: ManagedCache;
  readonly root: string;
  readonly realRoot: string;
  readonly quarantine: string;
  readonly totals: ManagedTotals;
  readonly freeBytes: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * Finds what is to go from the managed caches with these roots: expired directories, those over the quota, what was in
 * the quarantine for long enough. Only what goes is measured on the disk; nothing is changed.
 *
 * A register that cannot be reached is a trouble of that cache and the others go on; it is thrown where an eviction
 * of that cache alone was asked for.
 */
export async function scanManaged(
  passports: readonly Passport[],
  context: Context,
  { eviction }: { readonly eviction?: EvictionRequest | undefined } = {},
): Promise<Scan> {
  const caches: SeenCache[] = [];
  const found: Found[] = [];
  const troubles: Trouble[] = [];
  const skipped: Skipped[] = [];
  const lookAt = async (cache: ManagedCache, { root, realPath }: Passport): Promise<void> => {
    const quarantine = quarantineOf(cache, realPath);
    const [{ bavail, bsize }, { mtimeMs }] = await Promise.all([statfs(realPath), stat(realPath)]);
    const freeBytes = bavail * bsize;
    await withManagedStore(cache, context, async (store) => {
      const totals = await store.totals();
      const scene = { cache, root, realRoot: realPath, quarantine, totals, freeBytes, now: context.now() };
      caches.push(seenCache(scene, mtimeMs));
      const need = needOf(scene, eviction ?? NOTHING_MORE);
      // What was asked for by name goes alone.
      const stored = eviction?.paths === undefined ? await quarantinedIn(quarantine) : [];
      const purged = await purgeable(scene, stored, need, context);
      const rest = { ...need, freedBytes: purged.bytes };
      const chosen = await chooseDirectories(scene, store, rest, eviction ?? NOTHING_MORE, context);
      found.push(...purged.found, ...(await spentPacks(scene, context)), ...chosen.found);
      troubles.push(...purged.troubles, ...chosen.troubles);
      skipped.push(...chosen.skipped);
    });
  };
  for (const passport of passports) {
    const cache = context.configuration.managed.find((known) => resolve(known.root) === passport.root);
    if (cache === undefined) continue;
    try {
      await lookAt(cache, passport);
    } catch (error) {
      const isOnlyOne = eviction !== undefined && passports.length === 1;
      if (isOnlyOne || !(error instanceof CacheOpsError) || !isRegisterDown(error)) throw error;
      troubles.push({ path: passport.root, code: error.code, message: error.message });
    }
  }
  return { caches, found, troubles, skipped };
}

/** `invalid_input`: its address is not set. */
function isRegisterDown({ code }: CacheOpsError): boolean {
  return code === "unavailable" || code === "corrupt" || code === "invalid_input";
}

function seenCache({ root, realRoot, totals }: ManagedScene, mtimeMs: number): SeenCache {
  return {
    kind: "managed",
    cache: root,
    file: realRoot,
    root,
    content: { sha256: "0".repeat(64), size: totals.bytes },
    mtimeMs,
    entries: totals.directories,
    inUseBy: undefined,
  };
}

/** How much has to go, and why. */
export function needOf(
  { cache, totals, freeBytes }: Pick<ManagedScene, "cache" | "totals" | "freeBytes">,
  eviction: Pick<EvictionRequest, "bytes" | "isUrgent"> = NOTHING_MORE,
): Need {
  const { maxBytes, highWatermark, lowWatermark, minFreeBytes } = cache;
  const isOver = maxBytes !== undefined && totals.bytes > maxBytes * highWatermark;
  const quotaBytes = isOver ? totals.bytes - Math.floor(maxBytes * lowWatermark) : 0;
  const diskBytes = minFreeBytes === undefined ? 0 : Math.max(0, minFreeBytes - freeBytes);
  return { quotaBytes, diskBytes, askedBytes: eviction.bytes ?? 0, isUrgent: eviction.isUrgent, freedBytes: 0 };
}

/**
 * What of the quarantine is to go for good: what was there for long enough, and, when the disk is full, the oldest
 * until there is room again.
 */
async function purgeable(
  scene: ManagedScene,
  stored: readonly QuarantinedDirectory[],
  { diskBytes, askedBytes, isUrgent }: Need,
  context: Context,
) {
  const keepSeconds = parseDuration(scene.cache.quarantine);
  const wanted = Math.max(diskBytes, isUrgent ? askedBytes : 0);
  const found: Found[] = [];
  const troubles: Trouble[] = [];
  let bytes = 0;
  for (const { place, movedAt } of stored) {
    const isOver = context.now() - movedAt >= keepSeconds * 1000;
    const isNeeded = bytes < wanted || (isUrgent && wanted === 0);
    if (!isOver && !isNeeded) continue;
    const tree = await tryToSee(place, context, troubles);
    if (tree === undefined) continue;
    bytes += tree.content.size;
    found.push({
      finding: {
        kind: "managed",
        cache: scene.root,
        entry: basename(place),
        name: basename(place).replace(/^([0-9a-f]{8}){1,2}-/, ""),
        problem: "leftover",
        reason: isOver
          ? { rule: "quarantine_over", observed: new Date(movedAt).toISOString(), threshold: scene.cache.quarantine }
          : roomReason(scene),
      },
      root: scene.root,
      evidence: [treeEvidence(place, tree.content)],
      lastSeen: movedAt,
      path: place,
      place,
      isForGood: true,
      tracked: trackedOf(scene, basename(place), null),
      media: basename(place),
    });
  }
  return { found, troubles, bytes };
}

async function tryToSee(path: string, context: Context, troubles: Trouble[]) {
  try {
    return await seeTree(path, context);
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code !== "unavailable") throw error;
    troubles.push({ path, code: error.code, message: error.message });
    return undefined;
  }
}
