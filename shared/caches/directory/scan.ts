import { realpath } from "node:fs/promises";

import type { Context } from "../../context.ts";
import type { Trouble } from "../../finding.ts";
import { rootsOf, type Passport } from "../../passport.ts";
import { presenceOf } from "../../presence.ts";
import type { Found, Scan, SeenCache } from "../../scan.ts";
import { parseDuration } from "../../units.ts";
import type { Place } from "../../walk.ts";
import { homesIn, lostIn, type Home, type Lost } from "./homes.ts";
import { withNewHomes } from "./moved.ts";
import { scanListing } from "./scan-listing.ts";
import type { BatchResult } from "./scan-thread.ts";
import { walkWithThreads, type ThreadedWalk } from "./threads.ts";

/** How to scan. */
export interface ScanOptions {
  /** Entries in order that were last written before this moment (ms since 1970) are `expired`. */
  readonly expiredBefore?: number | undefined;
  /** Only these directories, without what lies below them; moved media is not looked for then. */
  readonly only?: readonly string[] | undefined;
  /** After how many milliseconds threads take over a scan that is not done by then; Infinity: never. */
  readonly threadsAfterMs?: number | undefined;
}

/** About as long as threads take to start. */
const THREADS_AFTER_MS = 50;

/**
 * Finds and judges every mediabox cache below the roots. Only reads; findings come in the order of their paths.
 *
 * Entries whose media is gone are looked for in the other directories of the same roots before they count as lost.
 */
export async function scanDirectories(
  passports: readonly Passport[],
  context: Context,
  { expiredBefore, only, threadsAfterMs = THREADS_AFTER_MS }: ScanOptions = {},
): Promise<Scan> {
  const { part, signal, now } = context;
  const caches: SeenCache[] = [];
  const found: Found[] = [];
  const troubles: Trouble[] = [];
  const timeLimitSeconds = parseDuration(context.configuration.timeLimit);
  // A link that leads from one part to another would be judged without the media that is there.
  const realRoots = part === undefined ? passports.map(({ realPath }) => realPath) : [await realpath(part.directory)];
  const limits = { realRoots, timeLimitSeconds, expiredBefore };
  const roots = rootsOf(passports);
  const options = {
    signal,
    timeLimitSeconds,
    now,
    onTrouble: (trouble: Trouble) => troubles.push(trouble),
    threadsAfterMs: only === undefined ? threadsAfterMs : Infinity,
  };
  let directories = 0;
  const done = (places: readonly Place[]) => {
    directories += places.length;
    context.progress({ message: `checking ${places.at(-1)?.path}`, done: directories });
  };
  const take = (result: BatchResult, places: readonly Place[]) => {
    done(places);
    for (const cache of result.caches) caches.push(cache);
    for (const item of result.found) found.push(item);
    for (const trouble of result.troubles) troubles.push(trouble);
  };
  await walkWithThreads(roots, { ...options, only, part, task: { does: "judge", limits }, take }, async (listing) => {
    done([listing]);
    const scan = await scanListing(listing, limits, now());
    for (const item of scan.found) found.push(item);
    if (scan.seen) caches.push(scan.seen);
    if (scan.trouble) troubles.push(scan.trouble);
  });
  const judged = withoutShared(found, caches);
  const lost = only === undefined ? lostIn(judged) : undefined;
  const settled = lost === undefined ? judged : await withNewHomes(judged, await findHomes(roots, lost, options));
  const byPath = (a: string, b: string) => (a < b ? -1 : Number(a > b));
  return {
    caches: caches.toSorted((a, b) => byPath(a.cache, b.cache)),
    found: settled.toSorted((a, b) => byPath(a.finding.cache, b.finding.cache)),
    troubles: troubles.toSorted((a, b) => byPath(a.path, b.path)),
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
  const task = { does: "find", lost } as const;
  const take = (result: BatchResult) => add(result.homes);
  // What cannot be read was reported by the first walk.
  const onTrouble = () => undefined;
  await walkWithThreads(roots, { ...options, onTrouble, task, take }, async (listing) => {
    add(await homesIn(listing, lost, (path) => presenceOf(path, options.timeLimitSeconds)));
  });
  return homes;
}

/**
 * One cache file that several directories reach through links belongs to none of them: what one directory calls
 * orphaned another may hold. Its entries are not judged; each of its caches is reported.
 */
function withoutShared(found: readonly Found[], caches: readonly SeenCache[]): readonly Found[] {
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
