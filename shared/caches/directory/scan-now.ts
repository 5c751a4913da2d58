import { hash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync, realpathSync } from "node:fs";
import { join, relative } from "node:path";

import { errnoOf } from "../../errors.ts";
import { READ_FLAGS } from "../../file-calls.ts";
import type { Presence } from "../../presence.ts";
import type { Listing } from "../../walk.ts";
import { judge, mediaOf, type Media } from "./judge.ts";
import { CACHE_NAME, surplusRule } from "./names.ts";
import { outline } from "./outline.ts";
import type { ListingScan, ScanLimits } from "./scan-listing.ts";

/**
 * What `scanListing` finds in a directory, found by synchronous calls: only for a thread that somebody watches.
 * `lookNow` is one look at a media file. `undefined` when anything is out of the ordinary: then that has to be asked.
 *
 * A cache in order costs one look at each of its media files, and nothing of it stays but its `SeenCache`.
 */
export async function scanNow(
  listing: Listing,
  limits: ScanLimits,
  lookNow: (path: string) => Presence,
): Promise<ListingScan | undefined> {
  const { root, path, names } = listing;
  for (const [name, type] of names) if (surplusRule(name, type) !== undefined) return undefined;
  const type = names.get(CACHE_NAME);
  if (type === undefined) return { found: [] };
  if (type !== "file") return undefined;
  const read = readNow(listing);
  const entries = read && outline(read.bytes);
  if (read === undefined || entries === undefined) return undefined;
  const keys: string[] = [];
  const media: Media[] = [];
  for (const { key, name } of entries.values()) {
    const seen = name !== undefined && names.has(name) ? mediaOf(name, lookNow(`${path}/${name}`)) : undefined;
    if (seen !== undefined) media.push(seen);
    if (seen?.hash !== key || limits.expiredBefore !== undefined) keys.push(key);
  }
  const around = { ...limits, listing, presenceOf: async (path: string) => lookNow(path) };
  const found = keys.length === 0 ? [] : await judge(read.bytes, entries, around, { keys, media });
  const { bytes, file, mtimeMs } = read;
  const cache = join(path, CACHE_NAME);
  const content = { sha256: hash("sha256", bytes, "hex"), size: bytes.length };
  const about = { content, mtimeMs, entries: entries.size, inUseBy: undefined };
  return { seen: { kind: "directory", cache, file, root, ...about }, found };
}

/** One for all files of a thread; what does not fit has one of its own. */
const shelf = Buffer.allocUnsafeSlow(1024 * 1024);
/** Caches larger than this are rare enough to be read as any other file. */
const MAX_BYTES = 32 * 1024 * 1024;

interface Read {
  /** Real path of the cache file. */
  readonly file: string;
  /** Valid until the next file is read. */
  readonly bytes: Buffer;
  readonly mtimeMs: number;
}

/** Reads the cache of a directory as `readSeenFile` does. `undefined` where that fails. */
function readNow({ root, path }: Listing): Read | undefined {
  try {
    const file = join(realRootOf(root), relative(root, path), CACHE_NAME);
    const descriptor = openSync(file, READ_FLAGS);
    try {
      const stats = fstatSync(descriptor, { bigint: true });
      if (!stats.isFile() || stats.size > MAX_BYTES) return undefined;
      const bytes = roomFor(Number(stats.size));
      let length = 0;
      while (length < bytes.length) {
        const count = readSync(descriptor, bytes, length, bytes.length - length, null);
        if (count === 0) return undefined;
        length += count;
      }
      const after = fstatSync(descriptor, { bigint: true });
      const isSame = after.size === stats.size && after.mtimeNs === stats.mtimeNs && after.ctimeNs === stats.ctimeNs;
      return isSame ? { file, bytes, mtimeMs: Number(stats.mtimeNs / 1_000_000n) } : undefined;
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

function roomFor(size: number): Buffer {
  return size <= shelf.length ? shelf.subarray(0, size) : Buffer.allocUnsafeSlow(size);
}

const realRoots = new Map<string, string>();

/** Real path of a root. Below it no link was followed, so it is all that can differ in the real path of a directory. */
function realRootOf(root: string): string {
  const real = realRoots.get(root) ?? realpathSync.native(root);
  realRoots.set(root, real);
  return real;
}
