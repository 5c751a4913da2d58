import { readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { Readable } from "node:stream";
import { gunzipSync, gzipSync } from "node:zlib";

import { extract, pack, type Header } from "tar-stream";

import { contentOf } from "../../shared/file.ts";
import { CACHE } from "./library.ts";

/** One member of an archive. */
export interface Member {
  readonly header: Partial<Header> & { readonly name: string };
  readonly bytes: Buffer;
}

/** The members of an archive, taken apart without a question. */
export async function membersOf(archive: string): Promise<Member[]> {
  const members: Member[] = [];
  const reading = extract();
  reading.end(gunzipSync(readFileSync(archive)));
  for await (const member of reading) {
    members.push({ header: member.header, bytes: await buffer(Readable.from(member as AsyncIterable<Buffer>)) });
  }
  return members;
}

/** Packs members as our archives are packed, whatever they are. */
export async function writeMembers(archive: string, members: readonly Member[]): Promise<void> {
  const packing = pack();
  const packed = buffer(Readable.from(packing as AsyncIterable<Buffer>));
  for (const { header, bytes } of members) {
    const { name, type = "file", linkname, pax } = header;
    packing.entry({ name, type, size: bytes.length, ...(linkname && { linkname }), ...(pax ? { pax } : {}) }, bytes);
  }
  packing.finalize();
  writePacked(archive, await packed);
}

/** Compresses bytes and gives them the header of our archives. */
export function writePacked(archive: string, bytes: Buffer): void {
  const zipped = gzipSync(bytes);
  zipped.set([0, 0xff], 8);
  writeFileSync(archive, zipped);
}

/** A manifest as `change` leaves it, as the first member of an archive. */
export function withManifest(members: readonly Member[], change: (manifest: LooseManifest) => unknown): Member[] {
  const [first, ...rest] = members;
  const manifest = JSON.parse(String(first?.bytes)) as LooseManifest;
  const changed = change(manifest) ?? manifest;
  return [{ header: { name: "manifest.json" }, bytes: Buffer.from(JSON.stringify(changed)) }, ...rest];
}

/** A manifest of which a test may change anything. */
export interface LooseManifest {
  version: unknown;
  roots: Record<string, unknown>[];
  files: Record<string, unknown>[];
  [name: string]: unknown;
}

/** A member and its line in the manifest, right in itself, for any path in the first root. */
export function fileNamed(path: string, bytes = Buffer.from("{}")): { readonly line: object; readonly member: Member } {
  const line = { root: 0, path, ...contentOf(bytes), mode: 0o644, uid: 0, gid: 0, mtimeNs: "1700000000000000001" };
  return { line, member: { header: { name: `0/${path}` }, bytes } };
}

/** Paths of all caches below a root, relative to it, not through links. */
export function cachesIn(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(CACHE) && realpathSync(dirname(join(root, name))) === dirname(join(root, name)))
    .toSorted();
}
