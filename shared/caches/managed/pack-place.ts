import { createReadStream } from "node:fs";
import { lstat, mkdir, open, unlink, type FileHandle } from "node:fs/promises";
import { basename, dirname } from "node:path";

import { openAnchor, type Anchor } from "../../anchor.ts";
import { publishNew, removeTemp } from "../../atomic.ts";
import type { Context } from "../../context.ts";
import { CacheOpsError, errnoOf } from "../../errors.ts";
import type { PackTarget } from "../../change.ts";
import { withObjectStore } from "./object-storage.ts";
import { packTree, type Packed, type PackSource } from "./pack.ts";
import type { ManagedCache } from "./settings.ts";
import { readPack, type ExpectedPack } from "./unpack.ts";

/*
 * Where packs lie: files in the directory for them, or objects in a bucket. A pack counts only when it was read back
 * from there whole and every byte of it verified.
 */

/** What is to be packed, and where. */
export interface PackWish {
  readonly directory: string;
  /** What the register calls it. */
  readonly path: string;
  /** Digest of the tree as the planner saw it. */
  readonly seen: string;
  /** About as many bytes it has. */
  readonly bytes: number;
  readonly target: PackTarget;
}

/**
 * Packs a directory and verifies the pack where it lies. Throws as {@link packTree} does, and `corrupt`, `forbidden`,
 * `unavailable` or `not_found` when it is not there as it was sent; then nothing of it is left, as far as the place can
 * be reached.
 */
export async function makePack(
  { directory, path, seen, bytes, target }: PackWish,
  cache: ManagedCache,
  context: Context,
) {
  const source = { directory, seen, cache: cache.name, path };
  if ("file" in target) return makeFile(source, target.file, context);
  const { key } = target;
  return withObjectStore(storageOf(cache, target), context, async (store) => {
    try {
      const packed = await packTree(source, context, (chunks) => store.put(key, chunks, bytes));
      const size = await store.head(key);
      if (size !== packed.content.size) throw notStored(key, `${size ?? "no"} bytes of ${packed.content.size}`);
      await readPack(await store.get(key), packed, context);
      return packed;
    } catch (error) {
      // Whether it can be removed or not: what went wrong first is what is told.
      await store.delete(key).catch((second: unknown) => {
        if (!(second instanceof CacheOpsError)) throw second;
      });
      throw error;
    }
  });
}

async function makeFile(source: PackSource, file: string, context: Context): Promise<Packed> {
  return inDirectoryOf(file, async (anchor) => {
    const temp = anchor.at(tempOf(file));
    try {
      const handle = await open(temp, "wx", 0o600);
      let packed: Packed;
      try {
        packed = await packTree(source, context, (chunks) => writeAll(handle, chunks));
        await handle.sync();
      } finally {
        await handle.close();
      }
      await readPack(createReadStream(temp), packed, context);
      publishNew(temp, anchor.at(basename(file)), file);
      return packed;
    } finally {
      await removeTemp(temp);
      await anchor.sync();
    }
  });
}

async function writeAll(handle: FileHandle, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) await handle.writeFile(chunk);
}

function tempOf(file: string): string {
  return `${basename(file)}.tmp`;
}

/** Size of a pack; `undefined` when there is none. Throws when that cannot be found out. */
export async function sizeOfPack(
  target: PackTarget,
  cache: ManagedCache,
  context: Context,
): Promise<number | undefined> {
  if ("key" in target) {
    return withObjectStore(storageOf(cache, target), context, (store) => store.head(target.key));
  }
  try {
    const stats = await lstat(target.file);
    return stats.isFile() ? stats.size : undefined;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Hands the path of a local file to `work` that holds the pack, verified whole: its own place, or `download`, where an
 * object is put meanwhile. Throws `corrupt` when the pack is not what it was, and `work` has not been called then.
 */
export async function withPackFile<T>(
  target: PackTarget,
  expected: ExpectedPack,
  download: string,
  cache: ManagedCache,
  context: Context,
  work: (file: string) => Promise<T>,
): Promise<T> {
  if ("file" in target) {
    await readPack(createReadStream(target.file), expected, context);
    return work(target.file);
  }
  try {
    const handle = await open(download, "wx", 0o600);
    try {
      await withObjectStore(storageOf(cache, target), context, async (store) => {
        const size = await store.head(target.key);
        if (size !== expected.content.size) throw notStored(target.key, `${size ?? "no"} bytes`);
        await writeAll(handle, await store.get(target.key));
      });
    } finally {
      await handle.close();
    }
    await readPack(createReadStream(download), expected, context);
    return await work(download);
  } finally {
    await removeTemp(download);
  }
}

/** Removes a pack and what its making left; that there is none is fine. */
export async function removePack(target: PackTarget, cache: ManagedCache, context: Context): Promise<void> {
  if ("key" in target) {
    return withObjectStore(storageOf(cache, target), context, (store) => store.delete(target.key));
  }
  return inDirectoryOf(target.file, async (anchor) => {
    await removeTemp(anchor.at(tempOf(target.file)));
    try {
      await unlink(anchor.at(basename(target.file)));
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
    await anchor.sync();
  });
}

/** The object store of a cache, with the bucket in which a pack was put. */
function storageOf({ name, archive }: ManagedCache, { bucket }: Extract<PackTarget, { key: string }>) {
  if (archive !== undefined) return { ...archive, bucket };
  throw new CacheOpsError("not_found", `the managed cache ${name} has no object store configured any more`, {
    hint: "Put `archive` back into its settings.",
  });
}

function notStored(key: string, what: string): CacheOpsError {
  return new CacheOpsError("corrupt", `the object store has ${what} at ${key}`, {
    hint: "Nothing was removed and nothing of it was put in place. Check the store, then try again.",
  });
}

async function inDirectoryOf<T>(file: string, work: (anchor: Anchor) => Promise<T>): Promise<T> {
  const directory = dirname(file);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const anchor = await openAnchor(directory, [directory]);
  try {
    return await work(anchor);
  } finally {
    await anchor.close();
  }
}
