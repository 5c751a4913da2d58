import { realpath } from "node:fs/promises";
import { join } from "node:path";

import { CacheOpsError, errnoOf } from "../../errors.ts";
import { readSeenFile } from "../../file.ts";
import type { Found } from "../../scan.ts";
import { withTimeLimit } from "../../time-limit.ts";
import { readDocument } from "./document.ts";
import type { Home } from "./homes.ts";
import { CACHE_NAME } from "./names.ts";

/**
 * Says of orphaned entries where their media went: the fingerprint holds no path, so a file that only moved still has
 * it, and its probe data can move along. `homes` are all such files in the library.
 *
 * An entry whose file was found gets the rule `media_moved` and where to; if the cache there has the entry already it
 * is `superseded`. Caches that are not to be seen within `timeLimitSeconds` count as without it.
 */
export async function withNewHomes(
  found: readonly Found[],
  homes: readonly Home[],
  timeLimitSeconds: number,
): Promise<readonly Found[]> {
  if (homes.length === 0) return found;
  const byKey = Map.groupBy(
    homes.toSorted((a, b) => (a.directory < b.directory ? -1 : 1)),
    ({ key }) => key,
  );
  return Promise.all(
    found.map(async (item) => {
      const { entry, problem } = item.finding;
      const places = problem === "orphaned" && entry !== null ? byKey.get(entry) : undefined;
      return places === undefined || entry === null ? item : rehomed(item, entry, places, timeLimitSeconds);
    }),
  );
}

/**
 * Of several files alike, one whose cache lacks the entry is where it is needed. Where one of them has the very same
 * cache file through a link, the entry is in its place.
 */
async function rehomed(item: Found, entry: string, homes: readonly Home[], limit: number): Promise<Found> {
  const places = await Promise.all(homes.map(({ directory }) => realOf(join(directory, CACHE_NAME), limit)));
  if (homes.length > 0 && places.includes(await realOf(item.finding.cache, limit))) {
    const reason = { rule: "cache_shared_by_links", observed: null };
    return { ...item, finding: { ...item.finding, problem: "unreachable", reason } };
  }
  for (const home of homes) {
    const movedTo = join(home.directory, CACHE_NAME);
    if (!(await holds(movedTo, entry, limit))) return { ...seenAt(item, home, "media_moved"), movedTo };
  }
  const [home] = homes;
  if (home === undefined) return item;
  const found = seenAt(item, home, "media_moved_and_cached_there");
  return { ...found, finding: { ...found.finding, problem: "superseded" } };
}

function seenAt(item: Found, { directory, name, size, mtimeNs }: Home, rule: string): Found {
  const path = join(directory, name);
  const evidence = [...item.evidence, { path, expect: "same", size, mtimeNs } as const];
  return { ...item, evidence, finding: { ...item.finding, reason: { rule, observed: path } } };
}

/** The real path of a cache file; its path as it is when there is none. */
async function realOf(cache: string, timeLimitSeconds: number): Promise<string> {
  try {
    return await withTimeLimit(() => realpath(cache), timeLimitSeconds, cache);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return cache;
  }
}

/** Whether the cache file there, or what it links to, already has an entry under this key. An unreadable one has none. */
async function holds(cache: string, key: string, timeLimitSeconds: number): Promise<boolean> {
  try {
    const { bytes } = await withTimeLimit(() => realpath(cache).then(readSeenFile), timeLimitSeconds, cache);
    const reading = readDocument(bytes);
    return "spans" in reading && reading.spans.members.some((member) => member.key === key);
  } catch (error) {
    if (!(error instanceof CacheOpsError) && errnoOf(error) === undefined) throw error;
    return false;
  }
}
