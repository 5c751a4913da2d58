import { lstat, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";

import { isInside } from "../../anchor.ts";
import { CacheOpsError, errnoOf } from "../../errors.ts";
import { readSeenFile, type SeenFile } from "../../file.ts";
import type { Problem, Reason, Trouble } from "../../finding.ts";
import { presenceIn } from "../../presence.ts";
import type { Found, SeenCache } from "../../scan.ts";
import { withTimeLimit } from "../../time-limit.ts";
import type { Listing } from "../../walk.ts";
import { readDocument } from "./document.ts";
import { lastByKey, nameIn } from "./entry.ts";
import { areInOrderByName, judge } from "./judge.ts";
import type { OrderedCache } from "./remembered.ts";
import { surplusOf, type Surplus } from "./leftovers.ts";
import { CACHE_NAME, MEDIABOX_TEMP_NAME } from "./names.ts";

/** What a scan of one directory is held to. */
export interface ScanLimits {
  /** Real paths of all roots: what a link outside of them leads to proves nothing. */
  readonly realRoots: readonly string[];
  /** Limit for one system call. */
  readonly timeLimitSeconds: number;
  /** Entries in order that were last written before this moment (ms since 1970) are `expired`. */
  readonly expiredBefore: number | undefined;
  /**
   * What entries are held against first. `names`: a cache is in order when the media of each of its entries is there
   * under a name of its own; where that is not so, all of it is judged by fingerprints.
   */
  readonly compare: "fingerprints" | "names";
}

/** What was found in one directory. */
export interface ListingScan {
  readonly seen?: SeenCache;
  readonly found: readonly Found[];
  readonly trouble?: Trouble;
  /** In place of `seen`: names were all it took to find everything in order. */
  readonly inOrder?: OrderedCache;
}

/**
 * Judges the cache in a directory and what lies around there; `now` is in milliseconds since 1970. Only reads. Every
 * system call has its time limit. This is the reference: `scan-now.ts` has to come to the same.
 */
export async function scanListing(listing: Listing, limits: ScanLimits, now: number): Promise<ListingScan> {
  const surplus = await surplusOf(listing, now, limits.timeLimitSeconds);
  const found: Found[] = [];
  let cache: ListingScan | undefined;
  if (listing.names.has(CACHE_NAME)) {
    cache = await scanCache(listing, surplus, limits);
    found.push(...cache.found);
  } else if (listing.names.get(MEDIABOX_TEMP_NAME) === "file") {
    // Its process died between removing the cache and renaming this: the temp file is the cache.
    found.push(fileFinding(listing, "corrupt", { rule: "only_temp_file", observed: MEDIABOX_TEMP_NAME }));
  }
  // Beside a cache that cannot be read, mediabox's temp file may be the better copy.
  const isWhole = cache === undefined || cache.found.every(({ finding }) => finding.entry !== null);
  const leftovers = leftoversOf(listing, surplus);
  found.push(...leftovers.filter(({ finding }) => isWhole || finding.reason.rule !== "mediabox_temp"));
  return { ...cache, found };
}

async function scanCache(listing: Listing, surplus: Surplus, limits: ScanLimits): Promise<ListingScan> {
  const cache = join(listing.path, CACHE_NAME);
  const { timeLimitSeconds } = limits;
  const where = `caches in ${listing.root}`;
  let file: string;
  let read: SeenFile;
  try {
    const resolving = () => resolveCache(cache, listing, limits.realRoots);
    const resolved = await withTimeLimit(resolving, timeLimitSeconds, cache, where);
    if (resolved === undefined) {
      return { found: [fileFinding(listing, "unreachable", { rule: "cache_outside_the_library", observed: cache })] };
    }
    file = resolved;
    read = await withTimeLimit(() => readSeenFile(file), timeLimitSeconds, cache, where);
  } catch (error) {
    return unreadable(listing, cache, error);
  }
  const seen = {
    kind: "directory" as const,
    cache,
    file,
    root: listing.root,
    content: read.content,
    mtimeMs: Math.floor(millisecondsOf(read.identity.mtimeNs)),
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
  const entries = lastByKey(reading.spans);
  const around = { ...limits, listing, presenceOf: presenceIn(listing, timeLimitSeconds) };
  const isInOrder =
    limits.compare === "names" &&
    areInOrderByName(
      [...entries.values()].map((member) => nameIn(read.bytes, member)),
      listing,
    );
  const found = isInOrder ? [] : await judge(read.bytes, entries, around);
  return { seen: { ...seen, entries: entries.size }, found };
}

/** A time as `Stats` has it, rounded in its last digits; so by either way a file has the same one. */
function millisecondsOf(ns: bigint): number {
  return Number(ns / 1_000_000_000n) * 1000 + Number(ns % 1_000_000_000n) / 1e6;
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

function unreadable(listing: Listing, cache: string, error: unknown): ListingScan {
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
