import { once } from "node:events";
import { lstat, mkdir, open, realpath, link, rename, type FileHandle } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

import type { Pack } from "tar-stream";

import { openAnchor, type Anchor } from "../anchor.ts";
import { removeTemp } from "../atomic.ts";
import type { Context } from "../context.ts";
import { CacheOpsError, errnoOf, systemError } from "../errors.ts";
import { READ_FLAGS } from "../file-calls.ts";
import { throwIfAborted } from "../time-limit.ts";
import { MANIFEST_NAME, memberName, type ArchivedFile, type Manifest } from "./manifest.ts";
import { GZIP_HEADER, readArchive, type ReadArchive } from "./read.ts";
import { backupTempName, removeDeadTemps } from "./temp.ts";

/** How to write an archive. */
export interface ArchiveWish {
  /** Absolute path. Its directory is made, readable for nobody else, when `makesDirectory`. */
  readonly path: string;
  readonly overwrite: boolean;
  readonly makesDirectory: boolean;
  readonly manifest: Manifest;
  /** The bytes of a file, whole or in pieces, as the manifest has them. What it throws ends the writing. */
  readonly bytesOf: (file: ArchivedFile) => Promise<Buffer | AsyncIterable<Buffer>>;
}

/**
 * Writes an archive: complete, durable and read back with every hash compared before it gets its name, or not at all.
 *
 * Throws `invalid_input` when the name is taken, `forbidden` or `unavailable` when it cannot be written, `interrupted`.
 * Whatever it throws, no file is left; a process that is killed leaves a temporary file, never half an archive,
 * and the next one that writes into that directory removes it.
 */
export async function writeArchive(
  wish: ArchiveWish,
  context: Pick<Context, "signal" | "progress">,
): Promise<ReadArchive> {
  const { path, makesDirectory } = wish;
  try {
    if (makesDirectory) await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const anchor = await openAnchor(dirname(path), [await realpath(dirname(path))]);
    try {
      await assertFree(anchor, wish);
      return await writeAnchored(anchor, wish, context);
    } finally {
      await anchor.close();
    }
  } catch (error) {
    if (error instanceof Error && error.name === "AbortError") throwIfAborted(context.signal);
    throw systemError(error, `cannot write ${path}`);
  }
}

async function writeAnchored(anchor: Anchor, wish: ArchiveWish, context: Pick<Context, "signal" | "progress">) {
  const name = basename(wish.path);
  await removeDeadTemps((name) => anchor.at(name));
  const temp = anchor.at(backupTempName());
  const handle = await open(temp, "wx", 0o600);
  try {
    try {
      await writeTo(handle, wish, context);
      await handle.sync();
    } finally {
      await handle.close();
    }
    const read = await readArchive(temp, context);
    throwIfAborted(context.signal);
    await assertFree(anchor, wish);
    if (wish.overwrite) await rename(temp, anchor.at(name));
    else await publishNew(temp, anchor.at(name), wish.path);
    await anchor.sync();
    return read;
  } finally {
    await removeTemp(temp);
  }
}

async function writeTo(
  handle: FileHandle,
  { manifest, bytesOf }: ArchiveWish,
  context: Pick<Context, "signal" | "progress">,
) {
  const { signal, progress } = context;
  // A CommonJS module has but a default export once it is bundled.
  const { pack } = (await import("tar-stream")).default;
  const archive = pack();
  const drained = pipeline(
    Readable.from(archive as AsyncIterable<Buffer>, { objectMode: false }),
    createGzip(),
    async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) await handle.writeFile(chunk);
    },
    { signal },
  );
  const filled = async () => {
    const bytes = Buffer.from(JSON.stringify(manifest));
    await add(archive, MANIFEST_NAME, bytes, { size: bytes.length, mode: 0o600, mtimeNs: "0" });
    for (const [index, file] of manifest.files.entries()) {
      throwIfAborted(signal);
      progress({ message: "writing the backup", done: index, total: manifest.files.length });
      await add(archive, memberName(file), await bytesOf(file), file);
    }
    archive.finalize();
  };
  try {
    // A full disk ends the draining: nobody takes what is filled in any more.
    await Promise.race([filled(), drained]);
    await drained;
  } catch (error) {
    archive.destroy();
    const [drain] = await Promise.allSettled([drained]);
    // Whoever fills in may be the first to notice, and knows but that nobody takes it any more.
    throw drain.status === "rejected" && isCause(drain.reason) ? drain.reason : error;
  }
  await handle.write(GZIP_HEADER, 0, GZIP_HEADER.length, 0);
}

/** Whether an error says why the draining ended: the system's, or that it was to stop. */
function isCause(error: unknown): error is Error {
  return error instanceof Error && (error.name === "AbortError" || /^E[A-Z0-9]+$/.test(errnoOf(error) ?? ""));
}

function add(
  archive: Pack,
  name: string,
  bytes: Buffer | AsyncIterable<Buffer>,
  { size, mode, mtimeNs }: Pick<ArchivedFile, "size" | "mode" | "mtimeNs">,
) {
  const seconds = Math.max(0, Math.floor(Number(mtimeNs) / 1e9));
  const header = { name, size, type: "file", mode, mtime: new Date(seconds * 1000) } as const;
  return new Promise<void>((resolve, reject) => {
    const entry = archive.entry(header, (error) => (error ? reject(error) : resolve()));
    entry.on("error", reject);
    if (Buffer.isBuffer(bytes)) entry.end(bytes);
    else feed(entry, bytes).catch(reject);
  });
}

/** Sends pieces into a member, no faster than they are taken. */
async function feed(entry: NodeJS.WritableStream, pieces: AsyncIterable<Buffer>): Promise<void> {
  const closed = new AbortController();
  entry.once("close", () => closed.abort());
  for await (const piece of pieces) {
    if (!entry.write(piece)) await once(entry, "drain", { signal: closed.signal });
  }
  entry.end();
}

async function assertFree(anchor: Anchor, { path, overwrite }: ArchiveWish): Promise<void> {
  try {
    const name = anchor.at(basename(path));
    const stats = await lstat(name);
    if (overwrite && stats.isFile() && (await isArchive(name))) return;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw error;
  }
  throw taken(path, overwrite);
}

/** Whether a file begins as an archive of ours: nothing else is ever overwritten by one. */
async function isArchive(path: string): Promise<boolean> {
  const handle = await open(path, READ_FLAGS);
  try {
    const head = Buffer.alloc(GZIP_HEADER.length);
    await handle.read(head, 0, head.length, 0);
    return head.equals(GZIP_HEADER);
  } finally {
    await handle.close();
  }
}

/** Links instead of renaming, because a link fails where something came into being meanwhile. */
async function publishNew(temp: string, target: string, path: string): Promise<void> {
  try {
    await link(temp, target);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "EEXIST") throw taken(path, false);
    if (errno !== "EPERM" && errno !== "ENOTSUP" && errno !== "ENOSYS") throw error;
    await rename(temp, target);
  }
}

function taken(path: string, overwrite: boolean): CacheOpsError {
  return new CacheOpsError("invalid_input", `${path} exists already`, {
    hint: overwrite ? "It is no backup: take another name." : "Take another name, or allow it with overwrite.",
  });
}
