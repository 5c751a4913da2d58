import { randomBytes } from "node:crypto";
import { basename, join } from "node:path";

import type { Context } from "../../context.ts";
import { isThere } from "../../directory-hold.ts";
import type { ChangedPack, PackTarget } from "../../change.ts";
import type { Found } from "../../scan.ts";
import { parseDuration } from "../../units.ts";
import type { Candidates } from "./managed-store.ts";
import { withPacks } from "./packs.ts";
import { packsOf } from "./quarantine.ts";
import type { ManagedCache } from "./settings.ts";
import type { SeenTree } from "./tree.ts";

/** Where it is decided what is packed: the cache, and where it and its quarantine really lie. */
export interface PackScene {
  readonly cache: ManagedCache;
  readonly root: string;
  readonly realRoot: string;
  readonly quarantine: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Indices of the directories that nobody used for as long as the settings say, the longest unused first. */
export function coldOf(
  { count, accessedAt, pinned }: Candidates,
  { cache: { compressAfter }, now }: Pick<PackScene, "cache" | "now">,
): readonly number[] {
  if (compressAfter === undefined) return [];
  const latest = now - parseDuration(compressAfter) * 1000;
  const cold: number[] = [];
  for (let index = 0; index < count; index += 1) {
    if (pinned[index] === 0 && (accessedAt[index] ?? now) <= latest) cold.push(index);
  }
  return cold.toSorted((a, b) => (accessedAt[a] ?? 0) - (accessedAt[b] ?? 0));
}

/** The pack that is to be made of a directory: a file for a cold one, else an object where the settings name a store. */
export function packFor(
  path: string,
  { content, measurement }: SeenTree,
  { cache, realRoot }: PackScene,
  how: { readonly isCold: boolean; readonly archives: boolean; readonly isForGood: boolean },
): ChangedPack | undefined {
  const { archive } = cache;
  if (!how.isCold && (archive === undefined || !how.archives)) return undefined;
  const name = packName(path);
  const target: PackTarget =
    how.isCold || archive === undefined
      ? { file: join(packsOf(cache, realRoot), name) }
      : { bucket: archive.bucket, key: `${archive.prefix}${cache.name}/${name}` };
  const { bytes, files, directories } = measurement;
  const tree = { sha256: content.sha256, bytes, names: files + directories };
  return { target, content: null, tree, isOnlyCopy: how.isForGood };
}

/** A name nobody else takes, that still says what is in it, in letters that every store takes. */
function packName(path: string): string {
  const shown = basename(path)
    .replaceAll(/[^A-Za-z0-9._-]+/g, "_")
    .slice(0, 100);
  return `${randomBytes(8).toString("hex")}-${shown}.tar.gz`;
}

/** A pack whose original never left may be waiting for just that: its run is given this long to end. */
const SECONDS_OF_A_RUN = 86_400;

/**
 * Packs that are not needed any more: their directories are there, and have been back for as long as evicted ones are
 * kept, or never went.
 */
export async function spentPacks(scene: PackScene, context: Context): Promise<readonly Found[]> {
  const { cache, root, realRoot, quarantine, now } = scene;
  const keepSeconds = parseDuration(cache.quarantine);
  const found: Found[] = [];
  for (const { path, target, content, tree, ...times } of withPacks(context, (packs) => packs.list(cache.name))) {
    const since = times.warmedAt ?? times.packedAt;
    const waitSeconds = times.warmedAt === null ? Math.max(keepSeconds, SECONDS_OF_A_RUN) : keepSeconds;
    const directory = join(realRoot, path);
    if (now - since < waitSeconds * 1000 || !(await isThere(directory))) continue;
    const observed = new Date(since).toISOString();
    found.push({
      finding: {
        kind: "managed",
        cache: root,
        entry: path,
        name: path,
        problem: "leftover",
        reason: { rule: "pack_not_needed", observed, threshold: cache.quarantine },
      },
      root,
      evidence: [],
      lastSeen: since,
      path: directory,
      place: join(quarantine, basename("file" in target ? target.file : target.key)),
      isForGood: true,
      tracked: { cache: cache.name, root: realRoot, path, accessedAt: null, keepSeconds },
      pack: { target, content, tree, isOnlyCopy: false },
      media: path,
    });
  }
  return found;
}

/** Where in the quarantine a pack is unpacked before it is put in place. */
export function stageOf(quarantine: string, path: string): string {
  return join(quarantine, packName(path).replace(/\.tar\.gz$/, ""));
}
