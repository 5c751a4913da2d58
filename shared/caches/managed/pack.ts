import { createHash, type Hash } from "node:crypto";
import { isUtf8 } from "node:buffer";
import { once } from "node:events";
import { constants, type BigIntStats } from "node:fs";
import { lstat, open, readdir, readlink, type FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

import type { Pack } from "tar-stream";

import type { Context } from "../../context.ts";
import { CacheOpsError, errnoOf, systemError } from "../../errors.ts";
import { READ_FLAGS } from "../../file-calls.ts";
import type { Content } from "../../file.ts";
import type { PackedTree } from "../../change.ts";
import { printable } from "../../printable.ts";
import { throwIfAborted } from "../../time-limit.ts";
import {
  MAX_PACKED_NAMES,
  PACK_MANIFEST_NAME,
  TREE_NAME,
  type PackedEntry,
  type PackManifest,
} from "./pack-manifest.ts";
import { seeTree } from "./tree.ts";

/** What came of packing: the archive's bytes, and what they hold. */
export interface Packed {
  readonly content: Content;
  readonly tree: PackedTree;
}

/** What is packed. */
export interface PackSource {
  readonly directory: string;
  /** Digest of the tree as it must be. */
  readonly seen: string;
  /** What its cache and the register call it: noted in the pack, so that it says itself whose it is. */
  readonly cache: string;
  readonly path: string;
}

/**
 * Streams a directory into `sink` as one tar.gz whose last member is a manifest of all of it; no file is in memory
 * whole. A file with several names in it becomes as many files. Reading leaves times of access as they are, where the system lets us.
 *
 * The tree must be the one whose digest is `seen`, before and after: throws `stale_plan` when it changed, `unavailable`
 * for what cannot be packed (names that are not UTF-8, sockets, devices, too many names) or not be read, `interrupted`,
 * and what `sink` throws. Whatever it throws, what `sink` took is not to be used.
 */
export async function packTree(
  { directory, seen, cache, path }: PackSource,
  context: Context,
  sink: (packed: AsyncIterable<Buffer>) => Promise<void>,
): Promise<Packed> {
  await assertUnchanged(directory, seen, context);
  const { signal } = context;
  // A CommonJS module has but a default export once it is bundled.
  const { pack } = (await import("tar-stream")).default;
  const archive = pack();
  archive.on("error", () => undefined);
  const hash = createHash("sha256");
  let size = 0;
  const entries: PackedEntry[] = [];
  const drained = pipeline(
    Readable.from(archive as AsyncIterable<Buffer>, { objectMode: false }),
    createGzip(),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        size += chunk.length;
        yield chunk;
      }
    },
    sink,
    { signal },
  );
  const filled = (async () => {
    await addTree(archive, directory, entries, context);
    // Whoever consumes the archive must not see its end when it is not to be used.
    await assertUnchanged(directory, seen, context);
    const manifest: PackManifest = { version: 1, cache, path, tree: seen, entries };
    await addBytes(archive, PACK_MANIFEST_NAME, Buffer.from(JSON.stringify(manifest)));
    archive.finalize();
  })();
  let failure: unknown;
  const failed = (error: unknown) => {
    failure ??= error;
    archive.destroy(error instanceof Error ? error : undefined);
  };
  // Whoever fails first says why; the other one only notices that it cannot go on.
  await Promise.all([filled.catch(failed), drained.catch(failed)]);
  throwIfAborted(signal);
  if (failure !== undefined) throw systemError(failure, `cannot pack ${directory}`);
  const bytes = entries.reduce((sum, entry) => sum + (entry.type === "file" ? entry.size : 0), 0);
  return { content: { sha256: hash.digest("hex"), size }, tree: { sha256: seen, bytes, names: entries.length } };
}

async function assertUnchanged(directory: string, seen: string, context: Context): Promise<void> {
  if ((await seeTree(directory, context))?.content.sha256 === seen) return;
  throw changed(directory);
}

function changed(path: string): CacheOpsError {
  return new CacheOpsError("stale_plan", `${printable(path)} was changed while it was packed`, {
    hint: "Make a new plan.",
  });
}

/** Adds a directory and all below it, a directory before what is in it. Links are packed, never followed. */
async function addTree(archive: Pack, root: string, entries: PackedEntry[], context: Context): Promise<void> {
  const waiting = [""];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    throwIfAborted(context.signal);
    if (entries.length >= MAX_PACKED_NAMES) throw unpackable(root, `holds more than ${MAX_PACKED_NAMES} names`);
    const place = path === "" ? root : `${root}/${path}`;
    const stats = await lstat(place, { bigint: true });
    const common = {
      path,
      mode: Number(stats.mode & 0o7777n),
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      mtimeNs: String(stats.mtimeNs),
    };
    const header = headerOf(path, stats);
    if (stats.isDirectory()) {
      entries.push({ type: "directory", ...common });
      await addVoid(archive, { ...header, type: "directory" });
      for (const name of (await namesIn(place)).toReversed()) waiting.push(path === "" ? name : `${path}/${name}`);
    } else if (stats.isFile()) {
      const size = Number(stats.size);
      entries.push({ type: "file", ...common, size, sha256: await addFile(archive, place, header, stats) });
    } else if (stats.isSymbolicLink()) {
      const target = await readlink(place, { encoding: "buffer" });
      if (!isUtf8(target)) throw unpackable(place, "leads to a name that is not UTF-8");
      entries.push({ type: "link", ...common, target: target.toString("utf8") });
      await addVoid(archive, { ...header, type: "symlink", linkname: target.toString("utf8") });
    } else throw unpackable(place, "is a socket, a pipe or a device");
    if (entries.length % 500 === 0) context.progress({ message: `packing ${printable(root)}`, done: entries.length });
  }
}

async function namesIn(directory: string): Promise<string[]> {
  const names = await readdir(directory, { encoding: "buffer" });
  const odd = names.find((name) => !isUtf8(name));
  if (odd !== undefined) throw unpackable(`${directory}/${odd.toString("latin1")}`, "has a name that is not UTF-8");
  return names.map((name) => name.toString("utf8")).sort();
}

function unpackable(path: string, why: string): CacheOpsError {
  return new CacheOpsError("unavailable", `${printable(path)} ${why}, so it cannot be packed`, {
    hint: "The directory is left alone. Evict it without packing, or move this out of it.",
  });
}

type Header = Parameters<Pack["entry"]>[0];

function headerOf(path: string, { mode, mtimeMs }: BigIntStats): Header {
  const name = path === "" ? TREE_NAME : `${TREE_NAME}/${path}`;
  return { name, mode: Number(mode & 0o7777n), mtime: new Date(Math.max(0, Number(mtimeMs))) };
}

/** Adds a file of exactly the size it has; returns the SHA-256 of its content. */
async function addFile(archive: Pack, path: string, header: Header, stats: BigIntStats): Promise<string> {
  const handle = await openQuietly(path);
  try {
    const now = await handle.stat({ bigint: true });
    if (!now.isFile() || now.ino !== stats.ino || now.size !== stats.size) throw changed(path);
    const hash = createHash("sha256");
    await addStream(
      archive,
      { ...header, size: Number(stats.size), type: "file" },
      readExactly(handle, path, Number(stats.size), hash),
    );
    return hash.digest("hex");
  } finally {
    await handle.close();
  }
}

const READ_BYTES = 1 << 18;

async function* readExactly(handle: FileHandle, path: string, size: number, hash: Hash): AsyncGenerator<Buffer> {
  for (let position = 0; position < size;) {
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, size - position));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) throw changed(path);
    const chunk = buffer.subarray(0, bytesRead);
    hash.update(chunk);
    position += bytesRead;
    yield chunk;
  }
}

/** Opens a file, and nothing that a link leads to, so that its time of access stays. Only its owner may ask for that. */
async function openQuietly(path: string): Promise<FileHandle> {
  try {
    return await open(path, READ_FLAGS | (constants.O_NOATIME ?? 0));
  } catch (error) {
    if (errnoOf(error) !== "EPERM") throw error;
    return open(path, READ_FLAGS);
  }
}

function addBytes(archive: Pack, name: string, bytes: Buffer): Promise<void> {
  return addStream(archive, { name, size: bytes.length, mode: 0o600, mtime: new Date(0), type: "file" }, [bytes]);
}

function addVoid(archive: Pack, header: Header): Promise<void> {
  return new Promise((resolve, reject) => {
    const entry = archive.entry(header, (error) => (error ? reject(error) : resolve()));
    entry.on("error", reject);
  });
}

async function addStream(
  archive: Pack,
  header: Header,
  chunks: Iterable<Buffer> | AsyncIterable<Buffer>,
): Promise<void> {
  const { promise: added, resolve, reject } = Promise.withResolvers<void>();
  const entry = archive.entry(header, (error) => (error ? reject(error) : resolve()));
  entry.on("error", reject);
  // When the archive is given up nothing drains any more.
  entry.on("close", () => reject(new Error("the archive was given up")));
  added.catch(() => undefined);
  for await (const chunk of chunks) {
    if (!entry.write(chunk)) await Promise.race([once(entry, "drain"), added]);
  }
  entry.end(undefined);
  await added;
}
