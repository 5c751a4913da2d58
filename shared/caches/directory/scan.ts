import { realpath } from "node:fs/promises";
import { dirname, join, relative } from "node:path";

import { isInside } from "../../anchor.ts";
import type { Context } from "../../context.ts";
import type { Trouble } from "../../finding.ts";
import { areLocal } from "../../local.ts";
import { rootsOf, type Passport } from "../../passport.ts";
import { presenceIn } from "../../presence.ts";
import type { Depth, Found, Scan, SeenCache } from "../../scan.ts";
import { parseDuration } from "../../units.ts";
import type { Place } from "../../walk.ts";
import { homesIn, lostIn, type Home, type Lost } from "./homes.ts";
import type { LookResult } from "./look.ts";
import { withNewHomes } from "./moved.ts";
import { recall, type Recall, type Recalled } from "./recall.ts";
import { loadRemembered, NOTHING, saveRemembered } from "./remembered-store.ts";
import { scanListing } from "./scan-listing.ts";
import { walkWithThreads, type ThreadedWalk } from "./threads.ts";

/** How to scan. */
export interface ScanOptions {
  /** Entries in order that were last written before this moment (ms since 1970) are `expired`; only in full. */
  readonly expiredBefore?: number | undefined;
  /** Only these directories, without what lies below them; moved media is not looked for then. */
  readonly only?: readonly string[] | undefined;
  /** How closely to look; in full unless said. */
  readonly depth?: Depth | undefined;
  /** After how many milliseconds threads take over a scan that is not done by then; Infinity: never. */
  readonly threadsAfterMs?: number | undefined;
}

/**
 * Threads take some 50 ms to start. Where this thread is as fast as they are, that has to be worth it; where it goes by
 * the thread pool, it soon is.
 */
const THREADS_AFTER_MS = { local: 100, others: 20 } as const;

/**
 * Finds and judges every mediabox cache below the roots. Only reads; findings come in the order of their paths.
 *
 * Entries whose media is gone are looked for in the other directories of the same roots before they count as lost.
 */
export async function scanDirectories(
  passports: readonly Passport[],
  context: Context,
  { expiredBefore, only, depth = "full", threadsAfterMs }: ScanOptions = {},
): Promise<Scan> {
  const { part, signal, now } = context;
  const caches: SeenCache[] = [];
  const found: Found[] = [];
  const troubles: Trouble[] = [];
  const timeLimitSeconds = parseDuration(context.configuration.timeLimit);
  // A link that leads from one part to another would be judged without the media that is there.
  const realRoots = part === undefined ? passports.map(({ realPath }) => realPath) : [await realpath(part.directory)];
  const compare = depth === "full" ? ("fingerprints" as const) : ("names" as const);
  const limits = { realRoots, timeLimitSeconds, expiredBefore, compare };
  const roots = rootsOf(passports);
  const isWhole = only === undefined && part === undefined;
  const isLocal = depth !== "full" && isWhole && (await areLocal(passports));
  const recalls = depth === "full" ? undefined : await recallRoots(roots, isLocal, depth === "fast", context);
  const options = {
    signal,
    timeLimitSeconds,
    now,
    onTrouble: (trouble: Trouble) => troubles.push(trouble),
    threadsAfterMs: only === undefined ? (threadsAfterMs ?? THREADS_AFTER_MS[isLocal ? "local" : "others"]) : Infinity,
    from: recalls && isWhole ? [...recalls.values()].flatMap(({ begin }) => begin) : undefined,
    isLocal,
    choose: (below: readonly Place[]) =>
      recalls ? below.flatMap((place) => recalls.get(place.root)?.choose(place) ?? []) : below,
  };
  let directories = [...(recalls?.values() ?? [])].reduce((sum, { unchanged }) => sum + unchanged, 0);
  const done = (places: readonly Place[]) => {
    directories += places.length;
    context.progress({ message: `checking ${places.at(-1)?.path}`, done: directories });
  };
  const take = (result: LookResult, places: readonly Place[]) => {
    done(places);
    for (const cache of result.caches) caches.push(cache);
    for (const item of result.found) found.push(item);
    for (const trouble of result.troubles) troubles.push(trouble);
    if (recalls)
      for (const [index, place] of places.entries()) recalls.get(place.root)?.note(place, result.notes, index);
  };
  const task = { does: "judge", limits } as const;
  const isAllTaken = await walkWithThreads(roots, { ...options, only, part, task, take }, async (listing) => {
    done([listing]);
    const scan = await scanListing(listing, limits, now());
    for (const item of scan.found) found.push(item);
    if (scan.seen) caches.push(scan.seen);
    if (scan.trouble) troubles.push(scan.trouble);
  });
  const recalled = new Map([...(recalls ?? [])].map(([root, { end }]) => [root, end()]));
  // A directory that nobody noted would be passed over for ever.
  if (isLocal && isAllTaken) remember(recalled, context);
  const judged = withoutShared(found, recalls ? [...caches, ...reachedByLinks(caches, recalled, passports)] : caches);
  const lost = only === undefined ? lostIn(judged) : undefined;
  const settled =
    lost === undefined ? judged : await withNewHomes(judged, await findHomes(roots, lost, options), timeLimitSeconds);
  const byPath = (a: string, b: string) => (a < b ? -1 : Number(a > b));
  return {
    caches: caches.toSorted((a, b) => byPath(a.cache, b.cache)),
    found: settled.toSorted((a, b) => byPath(a.finding.cache, b.finding.cache)),
    troubles: troubles.toSorted((a, b) => byPath(a.path, b.path)),
    ...(recalls === undefined ? {} : { inOrder: [...recalled.values()].map(({ inOrder }) => inOrder) }),
  };
}

/** Looks through all roots, once more. */
async function findHomes(
  roots: readonly string[],
  lost: Lost,
  options: Omit<ThreadedWalk, "task" | "take">,
): Promise<readonly Home[]> {
  const homes: Home[] = [];
  const add = (more: readonly Home[]) => homes.push(...more);
  const choose = (below: readonly Place[]) => below;
  const from = options.from && roots.map((root) => ({ root, path: root }));
  const task = { does: "find", lost } as const;
  const take = (result: LookResult) => add(result.homes);
  // What cannot be read was reported by the first walk.
  const onTrouble = () => undefined;
  await walkWithThreads(roots, { ...options, onTrouble, task, take, choose, from }, async (listing) => {
    add(await homesIn(listing, lost, presenceIn(listing, options.timeLimitSeconds)));
  });
  return homes;
}

/** What is remembered of each root; of shares and with `isLocal` false that is nothing. */
async function recallRoots(roots: readonly string[], isLocal: boolean, isFast: boolean, context: Context) {
  const { signal } = context;
  const recalls = new Map<string, Recall>();
  for (const root of roots) {
    const earlier = isLocal ? loadRemembered(context.state(), root) : NOTHING;
    recalls.set(root, await recall(root, earlier, { signal, isFast, now: context.now() }));
  }
  return recalls;
}

function remember(recalled: ReadonlyMap<string, Recalled>, context: Context): void {
  for (const [root, { remembered }] of recalled) {
    if (remembered !== undefined) saveRemembered(context.state(), root, remembered);
  }
}

/** Caches in order that other caches reach through links, as {@link withoutShared} needs them. */
function reachedByLinks(
  caches: readonly SeenCache[],
  recalled: ReadonlyMap<string, Recalled>,
  passports: readonly Passport[],
) {
  return caches.flatMap(({ cache, file, root }) => {
    const own = passports.find((passport) => passport.root === root);
    if (own === undefined || file === join(own.realPath, relative(root, cache))) return [];
    return passports.flatMap(({ root, realPath }) => {
      const owner = join(root, relative(realPath, file));
      const isNoted = isInside(realPath, file) && recalled.get(root)?.hasCache(dirname(owner)) === true;
      return isNoted ? [{ cache: owner, file, root }] : [];
    });
  });
}

/**
 * One cache file that several directories reach through links belongs to none of them: what one directory calls
 * orphaned another may hold. Its entries are not judged; each of its caches is reported.
 */
function withoutShared(
  found: readonly Found[],
  caches: readonly Pick<SeenCache, "cache" | "file" | "root">[],
): readonly Found[] {
  const byFile = Map.groupBy(caches, ({ file }) => file);
  const shared = new Map(
    [...byFile.values()].flatMap((same) => (same.length > 1 ? same.map((cache) => [cache.cache, cache] as const) : [])),
  );
  if (shared.size === 0) return found;
  const reason = { rule: "cache_shared_by_links", observed: null };
  const reports = [...shared.values()].map(({ cache, root }): Found => ({
    finding: { kind: "directory", cache, entry: null, name: null, problem: "unreachable", reason },
    root,
    evidence: [],
    lastSeen: undefined,
  }));
  return [...found.filter(({ finding }) => finding.entry === null || !shared.has(finding.cache)), ...reports];
}
