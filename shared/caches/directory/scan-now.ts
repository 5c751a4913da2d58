import { hash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { join, relative } from "node:path";

import { errnoOf } from "../../errors.ts";
import { READ_FLAGS } from "../../file-calls.ts";
import type { Presence } from "../../presence.ts";
import type { Listing } from "../../walk.ts";
import { areInOrderByName, judge, mediaOf, type Known, type Media } from "./judge.ts";
import { CACHE_NAME, surplusRule } from "./names.ts";
import { outlineRoom, roomFor, type Outline } from "./outline.ts";
import type { OrderedCache } from "./remembered.ts";
import type { ListingScan, ScanLimits } from "./scan-listing.ts";

/** What else is asked of the file system. */
export interface NowCalls {
  /** One look at a media file. Of a link, the answer may take a while. */
  readonly lookNow: (path: string) => Presence | Promise<Presence>;
  /** Real path of a root. Below it no link was followed, so it is all that can differ in that of a directory. */
  readonly realPathOf: (root: string) => string;
}

/**
 * What `scanListing` finds in a directory, found by synchronous calls: only for a thread that somebody watches.
 * `undefined` when anything is out of the ordinary: then that has to be asked.
 *
 * A cache in order costs one look at each of its media files, and nothing of it stays but its `SeenCache`.
 */
export async function scanNow(
  listing: Listing,
  limits: ScanLimits,
  { lookNow, realPathOf }: NowCalls,
): Promise<ListingScan | undefined> {
  const { root, path, names } = listing;
  for (const [name, type] of names) if (surplusRule(name, type) !== undefined) return undefined;
  const type = names.get(CACHE_NAME);
  const isByName = limits.compare === "names";
  if (type === undefined) return isByName ? { found: [], inOrder: NO_CACHE } : { found: [] };
  if (type !== "file") return undefined;
  const read = readNow(`${path}/${CACHE_NAME}`);
  const outlined = read && outlineRoom(read.size);
  if (read === undefined || outlined === undefined) return undefined;
  if (isByName && areInOrderByName(outlined.names(), listing)) {
    return { found: [], inOrder: { ...read, entries: outlined.count } };
  }
  const { keys, media } = await differingNow(outlined, listing, limits, lookNow);
  const around = { ...limits, listing, presenceOf: async (path: string) => lookNow(path) };
  const { bytes } = outlined;
  const found = keys.length === 0 ? [] : await judge(bytes, outlined.entries(), around, { keys, media });
  const content = { sha256: hash("sha256", bytes, "hex"), size: read.size };
  const about = { content, mtimeMs: Math.floor(read.mtimeMs), entries: outlined.count, inUseBy: undefined };
  const file = join(realPathOf(root), relative(root, path), CACHE_NAME);
  return { seen: { kind: "directory", cache: join(path, CACHE_NAME), file, root, ...about }, found };
}

const NO_CACHE: OrderedCache = { entries: 0, size: -1, mtimeMs: 0, ctimeMs: 0 };

/** The entries that are not those of the files they name, by one look at each. */
async function differingNow(
  outlined: Outline,
  { path, names }: Listing,
  { expiredBefore }: ScanLimits,
  lookNow: NowCalls["lookNow"],
): Promise<Known> {
  const keys: string[] = [];
  const media: Media[] = [];
  for (let index = 0; index < outlined.count; index += 1) {
    const key = outlined.keyOf(index);
    const name = outlined.nameOf(index);
    const looked = name !== undefined && names.has(name) ? lookNow(`${path}/${name}`) : undefined;
    // To wait where there is nothing to wait for would take longer than the look.
    const presence = looked instanceof Promise ? await looked : looked;
    const seen = name !== undefined && presence !== undefined ? mediaOf(name, presence) : undefined;
    if (seen !== undefined) media.push(seen);
    if (seen?.hash !== key || expiredBefore !== undefined) keys.push(key);
  }
  return { keys, media };
}

/** Caches larger than this are rare enough to be read as any other file. */
const MAX_BYTES = 32 * 1024 * 1024;

interface Read {
  readonly size: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
}

/** Reads a cache file as `readSeenFile` does, into the room of `outline.ts`. `undefined` where that fails. */
function readNow(path: string): Read | undefined {
  try {
    const descriptor = openSync(path, READ_FLAGS);
    try {
      const before = fstatSync(descriptor);
      const { size, mtimeMs, ctimeMs } = before;
      if (!before.isFile() || size > MAX_BYTES) return undefined;
      const bytes = roomFor(size);
      let length = 0;
      while (length < size) {
        const count = readSync(descriptor, bytes, length, size - length, null);
        if (count === 0) return undefined;
        length += count;
      }
      const after = fstatSync(descriptor);
      const isSame = after.size === size && after.mtimeMs === mtimeMs && after.ctimeMs === ctimeMs;
      return isSame ? { size, mtimeMs, ctimeMs } : undefined;
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}
