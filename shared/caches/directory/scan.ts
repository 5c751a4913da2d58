import { lstat, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";

import { isInside } from "../../anchor.ts";
import type { Context } from "../../context.ts";
import { CacheOpsError, errnoOf } from "../../errors.ts";
import { readSeenFile, type SeenFile } from "../../file.ts";
import type { Finding, Problem, Reason, Trouble } from "../../finding.ts";
import type { Passport } from "../../passport.ts";
import type { Found, Scan, SeenCache } from "../../scan.ts";
import { withTimeLimit } from "../../time-limit.ts";
import { parseDuration } from "../../units.ts";
import { walk, type Listing } from "../../walk.ts";
import { readDocument } from "./document.ts";
import { judge, type Surroundings } from "./judge.ts";
import { surplusOf, type Surplus } from "./leftovers.ts";
import { withNewHomes } from "./moved.ts";
import { CACHE_NAME, MEDIABOX_TEMP_NAME } from "./names.ts";

/** How to scan. */
export interface ScanOptions {
  /** Entries in order that were last written before this moment (ms since 1970) are `expired`. */
  readonly expiredBefore?: number | undefined;
  /** Only these directories, without what lies below them; moved media is not looked for then. */
  readonly only?: readonly string[] | undefined;
}

/**
 * Finds and judges every mediabox cache below the roots. Only reads; findings come in the order of their paths.
 *
 * Entries whose media is gone are looked for in the other directories of the same roots before they count as lost.
 */
export async function scanDirectories(
  passports: readonly Passport[],
  context: Context,
  { expiredBefore, only }: ScanOptions = {},
): Promise<Scan> {
  const caches: SeenCache[] = [];
  const found: Found[] = [];
  const troubles: Trouble[] = [];
  const timeLimitSeconds = parseDuration(context.configuration.timeLimit);
  const onTrouble = (trouble: Trouble) => troubles.push(trouble);
  const options = { signal: context.signal, timeLimitSeconds, onTrouble, only };
  const { part } = context;
  // A link that leads from one part to another would be judged without the media that is there.
  const realRoots = part === undefined ? passports.map(({ realPath }) => realPath) : [await realpath(part.directory)];
  const roots = passports.map((passport) => passport.root);
  let directories = 0;
  await walk(roots, { ...options, part }, async (listing) => {
    directories += 1;
    context.progress({ message: `checking ${listing.path}`, done: directories });
    const surplus = await surplusOf(listing, context.now());
    let isWhole = true;
    if (listing.names.has(CACHE_NAME)) {
      const result = await scanCache(listing, surplus, { realRoots, timeLimitSeconds, expiredBefore });
      found.push(...result.found);
      isWhole = result.found.every(({ finding }) => finding.entry !== null);
      if (result.seen) caches.push(result.seen);
      if (result.trouble) troubles.push(result.trouble);
    } else if (listing.names.get(MEDIABOX_TEMP_NAME) === "file") {
      // Its process died between removing the cache and renaming this: the temp file is the cache.
      found.push(fileFinding(listing, "corrupt", { rule: "only_temp_file", observed: MEDIABOX_TEMP_NAME }));
    }
    // Beside a cache that cannot be read, mediabox's temp file may be the better copy.
    found.push(
      ...leftoversOf(listing, surplus).filter(({ finding }) => isWhole || finding.reason.rule !== "mediabox_temp"),
    );
  });
  const judged = withoutShared(found, caches);
  const settled = only === undefined ? await withNewHomes(judged, roots, options) : judged;
  const byPath = (a: string, b: string) => (a < b ? -1 : Number(a > b));
  return {
    caches: caches.toSorted((a, b) => byPath(a.cache, b.cache)),
    found: settled.toSorted((a, b) => byPath(a.finding.cache, b.finding.cache)),
    troubles: troubles.toSorted((a, b) => byPath(a.path, b.path)),
  };
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

interface CacheResult {
  readonly found: readonly Found[];
  readonly seen?: SeenCache;
  readonly trouble?: Trouble;
}

async function scanCache(
  listing: Listing,
  surplus: Surplus,
  limits: Omit<Surroundings, "listing">,
): Promise<CacheResult> {
  const cache = join(listing.path, CACHE_NAME);
  let file: string;
  let read: SeenFile;
  try {
    const resolved = await resolveCache(cache, listing, limits.realRoots);
    if (resolved === undefined) {
      return { found: [fileFinding(listing, "unreachable", { rule: "cache_outside_the_library", observed: cache })] };
    }
    file = resolved;
    read = await withTimeLimit(readSeenFile(file), limits.timeLimitSeconds, cache);
  } catch (error) {
    return unreadable(listing, cache, error);
  }
  const seen = {
    kind: "directory" as const,
    cache,
    file,
    root: listing.root,
    content: read.content,
    mtimeMs: Number(read.identity.mtimeNs / 1_000_000n),
    inUseBy: surplus.inUseBy,
  };
  const reading = readDocument(read.bytes);
  if ("damage" in reading) {
    const { rule, offset } = reading.damage;
    return {
      seen: { ...seen, entries: 0 },
      found: [fileFinding(listing, "corrupt", { rule, observed: `byte ${offset}` })],
    };
  }
  const judged = await judge(read.bytes, reading.spans, { listing, ...limits });
  const found = judged.judgements.map(({ entry, name, problem, reason, evidence, lastSeen }) => ({
    finding: { kind: "directory", cache, entry, name, problem, reason } satisfies Finding,
    root: listing.root,
    evidence,
    lastSeen,
  }));
  return { seen: { ...seen, entries: judged.entries }, found };
}

/** The real path of a cache file that may be a link; `undefined` when it leads out of the library. */
async function resolveCache(
  cache: string,
  listing: Listing,
  realRoots: readonly string[],
): Promise<string | undefined> {
  if (listing.names.get(CACHE_NAME) !== "symlink") {
    await lstat(cache);
    return join(await realpath(dirname(cache)), CACHE_NAME);
  }
  const real = await realpath(cache);
  return realRoots.some((root) => isInside(root, real)) ? real : undefined;
}

function unreadable(listing: Listing, cache: string, error: unknown): CacheResult {
  if (error instanceof CacheOpsError && error.code === "corrupt") {
    return { found: [fileFinding(listing, "corrupt", { rule: "not_a_readable_file", observed: error.message })] };
  }
  const code = error instanceof CacheOpsError ? error.code : errnoOf(error);
  if (code === undefined) throw error;
  return {
    found: [fileFinding(listing, "unreachable", { rule: "cache_unreadable", observed: code })],
    trouble: { path: cache, code, message: "cannot read this cache file; its entries were kept and not judged" },
  };
}

function fileFinding(listing: Listing, problem: Problem, reason: Reason, path?: string): Found {
  const cache = join(listing.path, CACHE_NAME);
  return {
    finding: { kind: "directory", cache, entry: null, name: null, problem, reason },
    root: listing.root,
    evidence: [],
    lastSeen: undefined,
    ...(path === undefined ? {} : { path }),
  };
}

function leftoversOf(listing: Listing, surplus: Surplus): Found[] {
  return surplus.leftovers.map(({ name, rule, ageSeconds }) => {
    const found = fileFinding(
      listing,
      "leftover",
      { rule, observed: `${Math.floor(ageSeconds)} s old` },
      join(listing.path, name),
    );
    return { ...found, finding: { ...found.finding, name } };
  });
}
