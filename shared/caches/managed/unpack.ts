import { createHash } from "node:crypto";
import { Readable } from "node:stream";

import type { Extract } from "tar-stream";

import { gunzipInto } from "../../archive/gunzip.ts";
import type { Context } from "../../context.ts";
import { CacheOpsError, errnoOf, systemError } from "../../errors.ts";
import type { Content } from "../../file.ts";
import type { PackedTree } from "../../change.ts";
import { throwIfAborted } from "../../time-limit.ts";
import {
  damagedPack,
  PACK_MANIFEST_NAME,
  packedPath,
  parsePackManifest,
  type PackedEntry,
  type PackManifest,
} from "./pack-manifest.ts";
import type { TreeWriter } from "./tree-writer.ts";

/** What a pack must be. */
export interface ExpectedPack {
  readonly content: Content;
  readonly tree: PackedTree;
}

/** A writer that writes nothing: the pack is only verified. */
const NO_WRITER: TreeWriter = {
  directory: async () => undefined,
  file: async (_, content) => {
    for await (const _chunk of content);
  },
  link: async () => undefined,
  finish: async () => undefined,
};

/**
 * Reads a pack from beginning to end, gives what is in it to `writer`, and verifies all of it: the bytes of the pack,
 * every name, every file, and that it holds neither more nor less than its manifest. What was written is to be used
 * only when this returns.
 *
 * Throws `corrupt` for anything that {@link packTree} would not have written, what `packed` and `writer` throw, and
 * `interrupted`.
 */
export async function readPack(
  packed: AsyncIterable<Uint8Array>,
  expected: ExpectedPack,
  { signal }: Pick<Context, "signal">,
  writer: TreeWriter = NO_WRITER,
): Promise<void> {
  // A CommonJS module has but a default export once it is bundled.
  const { extract } = (await import("tar-stream")).default;
  const members = extract();
  const stop = new AbortController();
  // What goes wrong in it reaches whoever waits; unheard it would end the process.
  members.on("error", () => undefined);
  const pumped = pump(packed, members, expected, AbortSignal.any([signal, stop.signal]));
  // Whoever fails first says why; the other one only notices that nothing more comes.
  let failure: unknown;
  const failed = (error: unknown) => void (failure ??= error);
  pumped.catch(failed);
  try {
    const manifest = await readMembers(members, expected, signal, writer);
    await pumped;
    await writer.finish(manifest.entries);
  } catch (error) {
    failed(error);
    stop.abort();
    members.destroy();
    await Promise.allSettled([pumped]);
    throwIfAborted(signal);
    throw named(failure);
  }
}

/** Sends the unpacked archive to the reader of members. Throws `corrupt` when the packed bytes are others. */
async function pump(
  packed: AsyncIterable<Uint8Array>,
  members: Extract,
  { content, tree }: ExpectedPack,
  signal: AbortSignal,
): Promise<void> {
  const hash = createHash("sha256");
  let size = 0;
  // What the files need, with headers, long names and the manifest: more is a bomb.
  let room = tree.bytes + tree.names * 24_576 + 65_536;
  const source = Readable.from(
    (async function* () {
      for await (const chunk of packed) {
        hash.update(chunk);
        size += chunk.length;
        if (size > content.size) throw damagedPack("it is longer than it was");
        yield chunk;
      }
    })(),
    { objectMode: false },
  );
  await gunzipInto(source, members, signal, (piece) => {
    room -= piece.length;
    if (room < 0) throw damagedPack("it unpacks to more than it holds");
  });
  if (size !== content.size || hash.digest("hex") !== content.sha256) {
    throw damagedPack("its bytes are not those that were packed");
  }
}

async function readMembers(
  members: Extract,
  { tree }: ExpectedPack,
  signal: AbortSignal,
  writer: TreeWriter,
): Promise<PackManifest> {
  const found = new Map<string, string>();
  let manifest: PackManifest | undefined;
  let bytes = 0;
  for await (const member of members) {
    throwIfAborted(signal);
    if (manifest !== undefined) throw damagedPack("something stands behind its manifest");
    const header = member.header as HeaderAsRead;
    assertPlain(header);
    if (header.name === PACK_MANIFEST_NAME) {
      manifest = parsePackManifest(await manifestBytes(member, header, tree));
      continue;
    }
    if (found.size >= tree.names) throw damagedPack("it holds more than was packed");
    const path = packedPath(header.type === "directory" ? header.name.replace(/\/$/, "") : header.name);
    if (found.has(path)) throw damagedPack("something is in it twice");
    if (header.type === "file") {
      bytes += header.size;
      if (bytes > tree.bytes) throw damagedPack("it holds more than was packed");
      found.set(path, await readFile(member, path, header.size, writer));
    } else {
      member.resume();
      if (header.type === "directory") await writer.directory(path);
      else await writer.link(path, header.linkname ?? "");
      found.set(path, header.type === "directory" ? "directory" : `link ${header.linkname}`);
    }
  }
  if (manifest === undefined) throw damagedPack("it has no manifest");
  assertSame(manifest, found, tree);
  return manifest;
}

/** A header as it comes out of a file: what stands in it is not to be relied upon. */
interface HeaderAsRead {
  readonly name: string;
  readonly size: number;
  readonly type: string | null;
  readonly linkname: string | null;
  readonly pax?: unknown;
}

/** Members are files, directories and symbolic links. */
function assertPlain({ type, size, linkname, pax }: HeaderAsRead): void {
  if (type !== "file" && type !== "directory" && type !== "symlink") {
    throw damagedPack(`it holds a ${type ?? "member of unknown type"}`);
  }
  // Of a directory with content the reader would never see the end.
  if (type !== "file" && size !== 0) throw damagedPack("a member of it has content that it cannot have");
  const isLink = (linkname ?? "") !== "";
  if (isLink !== (type === "symlink")) throw damagedPack("a member of it is two things at once");
  const known = ["path", "linkpath", "size"];
  if (Object.keys(Object(pax ?? {}) as object).some((key) => !known.includes(key))) {
    throw damagedPack("a member has attributes we never write");
  }
}

async function manifestBytes(member: AsyncIterable<unknown>, { type, size }: HeaderAsRead, { names }: PackedTree) {
  if (type !== "file" || size > names * 16_384 + 4096) throw damagedPack("its manifest is not one of ours");
  const chunks: Buffer[] = [];
  for await (const chunk of member) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Hands a file to the writer; returns what is to be compared with the manifest. */
async function readFile(
  member: AsyncIterable<unknown>,
  path: string,
  size: number,
  writer: TreeWriter,
): Promise<string> {
  const hash = createHash("sha256");
  let read = 0;
  await writer.file(
    path,
    (async function* () {
      for await (const chunk of member) {
        if (!Buffer.isBuffer(chunk)) continue;
        hash.update(chunk);
        read += chunk.length;
        yield chunk;
      }
    })(),
  );
  if (read !== size) throw damagedPack("it ends in the middle of a file");
  return `file ${size} ${hash.digest("hex")}`;
}

function assertSame({ tree: digest, entries }: PackManifest, found: ReadonlyMap<string, string>, tree: PackedTree) {
  if (digest !== tree.sha256 || entries.length !== tree.names) throw damagedPack("it is that of another directory");
  const other = entries.find((entry) => found.get(entry.path) !== signatureOf(entry));
  if (other !== undefined || entries[0]?.type !== "directory" || entries[0].path !== "") {
    throw damagedPack(`${JSON.stringify(other?.path ?? "")} is not as it was packed`);
  }
  if (found.size !== new Set(entries.map(({ path }) => path)).size || found.size !== entries.length) {
    throw damagedPack("it holds other names than its manifest");
  }
}

function signatureOf(entry: PackedEntry): string {
  if (entry.type === "directory") return "directory";
  return entry.type === "link" ? `link ${entry.target}` : `file ${entry.size} ${entry.sha256}`;
}

/** What zlib and the tar reader object to is a damaged pack; the rest passes through. */
function named(error: unknown): unknown {
  if (error instanceof CacheOpsError || !(error instanceof Error)) return error;
  const code = errnoOf(error);
  if (code?.startsWith("Z_") === true || (code === undefined && error.name === "Error")) {
    return damagedPack(error.message.replace(/[^\x20-\x7e]/g, "?").slice(0, 200), error);
  }
  return systemError(error, "cannot unpack");
}
