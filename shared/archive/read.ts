import { createHash } from "node:crypto";
import { open, type FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";

import type { Extract, Header } from "tar-stream";

import type { Context } from "../context.ts";
import { CacheOpsError, errnoOf, systemError } from "../errors.ts";
import { READ_FLAGS } from "../file-calls.ts";
import { contentOf } from "../file.ts";
import { throwIfAborted } from "../time-limit.ts";
import { gunzipInto } from "./gunzip.ts";
import {
  damaged,
  LIMITS,
  MANIFEST_NAME,
  memberName,
  parseManifest,
  type ArchivedFile,
  type Manifest,
} from "./manifest.ts";

/** An archive that was read to its end: every file was there, once, in order, with the bytes of its hash. */
export interface ReadArchive {
  readonly manifest: Manifest;
  /** Size of the archive and SHA-256 of its bytes. */
  readonly size: number;
  readonly sha256: string;
}

/** The first bytes of every archive of ours: gzip without name, time and system, so that no byte of it is idle. */
export const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);

/**
 * Reads an archive from beginning to end and verifies all of it. `visit` gets each file with its verified bytes, except
 * one above `LIMITS.fileBytes`, which is verified in pieces; but whether the archive is whole is known only when this
 * returns. Writes nothing.
 *
 * Throws `corrupt` for anything that {@link writeArchive} would not have written, `not_found`, `forbidden`,
 * `unavailable` and `interrupted`.
 */
export async function readArchive(
  path: string,
  { signal, progress }: Pick<Context, "signal" | "progress">,
  visit: (file: ArchivedFile, bytes: Buffer) => void = () => undefined,
): Promise<ReadArchive> {
  const handle = await openForReading(path);
  try {
    const { size } = await handle.stat();
    const head = Buffer.alloc(GZIP_HEADER.length);
    await handle.read(head, 0, head.length, 0);
    if (!head.equals(GZIP_HEADER)) throw damaged("it does not begin as one");
    // A CommonJS module has but a default export once it is bundled.
    const { extract } = (await import("tar-stream")).default;
    const members = extract();
    const stop = new AbortController();
    const meter = makeMeter(size);
    // What goes wrong in it reaches whoever waits; unheard it would end the process.
    members.on("error", () => undefined);
    const pumped = pump(handle, members, meter, AbortSignal.any([signal, stop.signal]));
    // Whoever fails first says why; the other one only notices that nothing more comes.
    let failure: unknown;
    const failed = (error: unknown) => void (failure ??= error);
    pumped.catch(failed);
    try {
      const manifest = await readMembers(members, meter, { signal, progress, visit });
      const sha256 = await pumped;
      return { manifest, size, sha256 };
    } catch (error) {
      failed(error);
      stop.abort();
      members.destroy();
      await Promise.allSettled([pumped]);
      throw named(failure, path);
    }
  } finally {
    await handle.close();
  }
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    const handle = await open(path, READ_FLAGS);
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") {
      throw new CacheOpsError("not_found", `there is no backup ${path}`, {
        hint: "A name without a slash is looked for among the backups in the state directory; write ./name for one here.",
      });
    }
    if (errnoOf(error) !== "ELOOP") throw systemError(error, `cannot read ${path}`);
  }
  throw new CacheOpsError("invalid_input", `${path} is not a regular file`, { hint: "Give the archive itself." });
}

/** Counts what comes out of the archive, and refuses to unpack more than its size or its manifest make plausible. */
function makeMeter(size: number) {
  let total = 0;
  let checksum = 0;
  let most: number = Math.min(LIMITS.totalBytes, size * LIMITS.ratio + LIMITS.slackBytes);
  return {
    add(chunk: Buffer): void {
      total += chunk.length;
      checksum = crc32(chunk, checksum);
      if (total > most) throw damaged("it unpacks to more than it may");
    },
    /** What the files need, with headers and padding. */
    expect({ files }: Manifest, manifestBytes: number): void {
      const room = files.reduce(
        (sum, file) => sum + file.size + 4096 + 2 * Buffer.byteLength(file.path),
        manifestBytes,
      );
      most = Math.min(most, room + 65_536);
    },
    /** Whether the last bytes of the archive are the checksum and length of exactly what was unpacked. */
    agreesWith: (trailer: Buffer) =>
      trailer.readUInt32LE(0) === checksum && trailer.readUInt32LE(4) === total % 2 ** 32,
  };
}

type Meter = ReturnType<typeof makeMeter>;

/** Sends the unpacked archive to the reader of members; returns the SHA-256 of the packed bytes. */
async function pump(handle: FileHandle, members: Extract, meter: Meter, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  let trailer = Buffer.alloc(0);
  const source = handle.createReadStream({ autoClose: false, start: 0, highWaterMark: 1 << 18 });
  source.on("data", (chunk) => {
    const bytes = Buffer.from(chunk);
    hash.update(bytes);
    trailer = Buffer.concat([trailer, bytes.subarray(-8)]).subarray(-8);
  });
  await gunzipInto(source, members, signal, (piece) => meter.add(piece));
  if (trailer.length < 8 || !meter.agreesWith(trailer)) throw damaged("something stands behind its end");
  return hash.digest("hex");
}

type Visiting = Pick<Context, "signal" | "progress"> & { readonly visit: (file: ArchivedFile, bytes: Buffer) => void };

async function readMembers(members: Extract, meter: Meter, { signal, progress, visit }: Visiting): Promise<Manifest> {
  let manifest: Manifest | undefined;
  let next = 0;
  for await (const member of members) {
    throwIfAborted(signal);
    const { header } = member;
    if (manifest === undefined) {
      assertMember(header, MANIFEST_NAME, undefined);
      const bytes = await bytesOf(member, header);
      manifest = parseManifest(bytes);
      meter.expect(manifest, bytes.length);
      continue;
    }
    const file = manifest.files[next];
    if (file === undefined) throw damaged("it holds more than its manifest lists");
    assertMember(header, memberName(file), file.size);
    const bytes = file.size > LIMITS.fileBytes ? undefined : await bytesOf(member, header);
    const sha256 = bytes === undefined ? await hashOf(member, header) : contentOf(bytes).sha256;
    if (sha256 !== file.sha256) throw damaged(`${file.path} is not as it was backed up`);
    next += 1;
    if (next % 100 === 0) progress({ message: "verifying the backup", done: next, total: manifest.files.length });
    if (bytes !== undefined) visit(file, bytes);
  }
  if (manifest === undefined) throw damaged("it is empty");
  if (next < manifest.files.length) throw damaged(`${manifest.files.length - next} of its files are missing`);
  return manifest;
}

/** A header as it comes out of a file: what stands in it is not to be relied upon. */
type HeaderAsRead = Omit<Header, "type" | "linkname"> & {
  readonly type: string | null;
  readonly linkname: string | null;
};

/** Members are plain files in the order of the manifest: no links, no devices, no directories, nothing twice. */
function assertMember(
  { type, name, size, linkname, pax }: HeaderAsRead,
  expected: string,
  bytes: number | undefined,
): void {
  if (type !== "file" || (linkname ?? "") !== "") throw damaged(`it holds a ${type ?? "member of unknown type"}`);
  if (name !== expected) throw damaged("a member is missing, in another place, or one too many");
  if (Object.keys(Object(pax ?? {}) as object).some((key) => key !== "path"))
    throw damaged("a member has attributes we never write");
  if (bytes === undefined ? size > LIMITS.manifestBytes : size !== bytes) {
    throw damaged(`${expected} does not have the size it should`);
  }
}

async function bytesOf(member: AsyncIterable<unknown>, { size }: HeaderAsRead): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of member) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  if (bytes.length !== size) throw cutShort();
  return bytes;
}

/** The SHA-256 of a member that is not held. */
async function hashOf(member: AsyncIterable<unknown>, { size }: HeaderAsRead): Promise<string> {
  const hash = createHash("sha256");
  let length = 0;
  for await (const chunk of member) {
    if (!Buffer.isBuffer(chunk)) continue;
    hash.update(chunk);
    length += chunk.length;
  }
  if (length !== size) throw cutShort();
  return hash.digest("hex");
}

function cutShort(): CacheOpsError {
  return damaged("it ends in the middle of a file");
}

/** What zlib and the tar reader object to is a damaged archive; the rest passes through. */
function named(error: unknown, path: string): unknown {
  if (error instanceof CacheOpsError) return error;
  if (!(error instanceof Error) || error.name === "AbortError") {
    return new CacheOpsError("interrupted", "stopped before the backup was read");
  }
  const code = errnoOf(error);
  if (code?.startsWith("Z_") === true || (code === undefined && error.name === "Error")) {
    return damaged(printableMessage(error.message), error);
  }
  return systemError(error, `cannot read ${path}`);
}

function printableMessage(message: string): string {
  return message.replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
}
