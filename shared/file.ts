import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";

import { Type, type Static } from "typebox";

import { CacheOpsError, errnoOf } from "./errors.ts";
import { pooledCalls, READ_FLAGS, type FileCalls } from "./file-calls.ts";

/** A file's content as it was seen: SHA-256 in hex and size in bytes. */
export const Content = Type.Object(
  {
    sha256: Type.String({ pattern: "^[0-9a-f]{64}$" }),
    size: Type.Integer({ minimum: 0 }),
  },
  { additionalProperties: false },
);
export type Content = Static<typeof Content>;

/** What a file carries beside its bytes and must have again after an undo. Times are nanoseconds, written in digits. */
export const Attributes = Type.Object(
  {
    mode: Type.Integer({ description: "Permission bits." }),
    uid: Type.Integer(),
    gid: Type.Integer(),
    mtimeNs: Type.String(),
    atimeNs: Type.String(),
  },
  { additionalProperties: false },
);
export type Attributes = Static<typeof Attributes>;

/** Which version of which file: differs whenever the file was replaced or written, even when its time was put back. */
export interface Identity {
  readonly device: bigint;
  readonly inode: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** A file that was read whole. */
export interface SeenFile {
  readonly bytes: Buffer;
  readonly content: Content;
  readonly attributes: Attributes;
  readonly identity: Identity;
}

/** Larger files are not read. */
const MAX_FILE_BYTES = 128 * 1024 * 1024;

/** The SHA-256 and size of some bytes. */
export function contentOf(bytes: Uint8Array): Content {
  return { sha256: createHash("sha256").update(bytes).digest("hex"), size: bytes.length };
}

/** The identity part of a file's status. */
export function identityOf(stats: {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}): Identity {
  const { dev, ino, size, mtimeNs, ctimeNs } = stats;
  return { device: dev, inode: ino, size, mtimeNs, ctimeNs };
}

/** The attributes part of a file's status. */
export function attributesOf(stats: BigIntStats): Attributes {
  return {
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    mtimeNs: String(stats.mtimeNs),
    atimeNs: String(stats.atimeNs),
  };
}

/** Whether two identities are the same version of the same file. */
export function sameIdentity(a: Identity, b: Identity): boolean {
  return (
    a.device === b.device &&
    a.inode === b.inode &&
    a.size === b.size &&
    a.mtimeNs === b.mtimeNs &&
    a.ctimeNs === b.ctimeNs
  );
}

/** {@link readSeenFile}, or `undefined` when there is no such file. */
export async function readIfThere(path: string, calls: FileCalls = pooledCalls): Promise<SeenFile | undefined> {
  return ifThere(readSeenFile(path, calls));
}

/** What was read, or `undefined` when there is no such file. */
export async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Reads a regular file whole, with its identity and attributes from the same descriptor.
 *
 * Never follows a symbolic link in the last component and never waits on a pipe. Throws the system's error, or
 * `corrupt` when it is no regular file, larger than {@link MAX_FILE_BYTES} or changing while it is read.
 */
export async function readSeenFile(path: string, calls: FileCalls = pooledCalls): Promise<SeenFile> {
  const read = await readUnhashed(path, calls);
  return { ...read, content: contentOf(read.bytes) };
}

/** {@link readSeenFile} for who compares the bytes themselves. */
export async function readUnhashed(path: string, calls: FileCalls): Promise<Unhashed> {
  const descriptor = await calls.open(path, READ_FLAGS);
  try {
    return await readOpen(descriptor, path, calls);
  } finally {
    await calls.close(descriptor);
  }
}

type Unhashed = Omit<SeenFile, "content">;

/** A file that was read and, where that is of use, is still open. */
export interface HeldFile extends Unhashed {
  /** Lets go of it: to be called in any case. */
  release(): Promise<void>;
}

/**
 * {@link readUnhashed} for who is going to take the file's name away. On a disk that answers at once the file stays
 * open: its name then goes at once, and what takes long, to free its blocks, the thread pool does at the release.
 */
export async function readHeld(path: string, calls: FileCalls): Promise<HeldFile> {
  if (calls === pooledCalls) return { ...(await readUnhashed(path, calls)), release: async () => undefined };
  const descriptor = await calls.open(path, READ_FLAGS);
  const release = async () => pooledCalls.close(descriptor);
  try {
    return { ...(await readOpen(descriptor, path, calls)), release };
  } catch (error) {
    await release();
    throw error;
  }
}

async function readOpen(descriptor: number, path: string, calls: FileCalls): Promise<Unhashed> {
  const stats = await calls.fstat(descriptor);
  if (!stats.isFile()) throw new CacheOpsError("corrupt", `${path} is not a regular file`);
  if (stats.size > BigInt(MAX_FILE_BYTES)) {
    throw new CacheOpsError("corrupt", `${path} has ${stats.size} bytes; more than ${MAX_FILE_BYTES} are not read`);
  }
  const bytes = await readWhole(descriptor, Number(stats.size), calls);
  const identity = identityOf(stats);
  if (bytes === undefined || !sameIdentity(identity, identityOf(await calls.fstat(descriptor)))) {
    throw new CacheOpsError("stale_plan", `${path} was written while it was read`, { hint: "Try again." });
  }
  return { bytes, attributes: attributesOf(stats), identity };
}

/** The bytes of a file that should have `size` of them, or `undefined` when it has more or fewer. */
async function readWhole(descriptor: number, size: number, calls: FileCalls): Promise<Buffer | undefined> {
  // Room for one byte more: a file that does not tell its size has bytes where it says it has none.
  const room = Buffer.allocUnsafe(size + 1);
  let length = 0;
  let got;
  do {
    got = await calls.read(descriptor, room, length);
    length += got;
  } while (length < size && got > 0);
  return length === size ? room.subarray(0, size) : undefined;
}
