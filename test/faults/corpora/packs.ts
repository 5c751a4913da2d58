import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";

import { pack, type Pack } from "tar-stream";

import type { ExpectedPack } from "../../../shared/caches/managed/unpack.ts";

/** What a pack is a pack of. */
export const OF = { cache: "media", path: "films" };

interface PackMember {
  readonly name: string;
  readonly type?: string;
  readonly linkname?: string;
  readonly content?: string;
  readonly mode?: number;
  readonly size?: number;
}

const ROOT: PackMember = { name: "tree", type: "directory" };
const sha256 = (bytes: Buffer | string) => createHash("sha256").update(bytes).digest("hex");
const attributes = { mode: 0o644, uid: 0, gid: 0, mtimeNs: "1" };
const directory = (path: string) => ({ type: "directory", path, ...attributes });
const file = (path: string, content: string) => ({
  type: "file",
  path,
  ...attributes,
  size: Buffer.byteLength(content),
  sha256: sha256(content),
});

/** An archive of these members, and what a register that believes it would expect of it. */
export async function packOf(members: readonly PackMember[], names = 10, bytes = 1000) {
  const archive: Pack = pack();
  for (const { name, type = "file", linkname, content = "", mode = 0o644, size } of members) {
    const header = {
      name,
      type,
      mode,
      ...(size === undefined ? {} : { size }),
      ...(linkname === undefined ? {} : { linkname }),
    };
    const entry = header as Parameters<Pack["entry"]>[0];
    if (size === undefined) archive.entry(entry, content);
    else archive.entry(entry);
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk);
  const zipped = gzipSync(Buffer.concat(chunks));
  return { bytes: zipped, expected: expectedOf(zipped, names, bytes) };
}

/** What a register that believes these bytes would expect of a pack. */
export function expectedOf(bytes: Buffer, names: number, size: number): ExpectedPack {
  const tree = { sha256: "0".repeat(64), bytes: size, names };
  return { content: { sha256: sha256(bytes), size: bytes.length }, tree };
}

const manifest = (entries: readonly unknown[], more: object = {}): PackMember => ({
  name: "manifest.json",
  content: JSON.stringify({ version: 1, ...OF, tree: "0".repeat(64), entries, ...more }),
});

const A = file("a", "x");
const good = [directory(""), A];
/** Packs that are not as we write them; `OUTSIDE` in a link stands for a directory elsewhere. */
export const HOSTILE_PACKS: Record<string, readonly PackMember[]> = {
  "an absolute name": [ROOT, { name: "/tmp/evil", content: "x" }, manifest(good)],
  "a name that leads up": [ROOT, { name: "tree/../../evil", content: "x" }, manifest(good)],
  "a name beside the tree": [ROOT, { name: "evil", content: "x" }, manifest(good)],
  "a dot": [ROOT, { name: "tree/./a", content: "x" }, manifest(good)],
  "an empty name": [ROOT, { name: "tree//a", content: "x" }, manifest(good)],
  "a file through a link": [
    ROOT,
    { name: "tree/out", type: "symlink", linkname: "OUTSIDE" },
    { name: "tree/out/evil", content: "x" },
    manifest([directory(""), { type: "link", path: "out", ...attributes, target: "OUTSIDE" }, file("out/evil", "x")]),
  ],
  "a file over a link": [
    ROOT,
    { name: "tree/a", type: "symlink", linkname: "OUTSIDE/evil" },
    { name: "tree/a", content: "x" },
    manifest(good),
  ],
  "a hard link": [ROOT, { name: "tree/a", type: "link", linkname: "/etc/passwd" }, manifest(good)],
  "a device": [ROOT, { name: "tree/a", type: "character-device" }, manifest(good)],
  "a pipe": [ROOT, { name: "tree/a", type: "fifo" }, manifest(good)],
  "a directory with content": [{ ...ROOT, size: 4096 }, manifest(good)],
  "a file twice": [ROOT, { name: "tree/a", content: "x" }, { name: "tree/a", content: "x" }, manifest(good)],
  "the root twice": [ROOT, ROOT, { name: "tree/a", content: "x" }, manifest(good)],
  "a file in no directory": [ROOT, { name: "tree/d/a", content: "x" }, manifest([directory(""), file("d/a", "x")])],
  "no root": [{ name: "tree/a", content: "x" }, manifest([A])],
  "no manifest": [ROOT, { name: "tree/a", content: "x" }],
  "nothing at all": [],
  "something behind the manifest": [ROOT, manifest(good), { name: "tree/a", content: "x" }],
  "two manifests": [ROOT, { name: "tree/a", content: "x" }, manifest(good), manifest(good)],
  "other content than its manifest": [ROOT, { name: "tree/a", content: "y" }, manifest(good)],
  "another size than its manifest": [ROOT, { name: "tree/a", content: "xx" }, manifest(good)],
  "a file that its manifest does not list": [
    ROOT,
    { name: "tree/a", content: "x" },
    { name: "tree/b", content: "x" },
    manifest([...good, A]),
  ],
  "a manifest that lists more": [ROOT, { name: "tree/a", content: "x" }, manifest([...good, file("b", "")])],
  "a link that its manifest calls a file": [ROOT, { name: "tree/a", type: "symlink", linkname: "b" }, manifest(good)],
  "the manifest of another tree": [ROOT, { name: "tree/a", content: "x" }, manifest(good, { tree: "1".repeat(64) })],
  "a manifest with other words": [ROOT, { name: "tree/a", content: "x" }, manifest(good, { extra: 1 })],
  "a manifest that is not JSON": [ROOT, { name: "tree/a", content: "x" }, { name: "manifest.json", content: "{" }],
  "more bytes than it may hold": [ROOT, { name: "tree/a", content: "x".repeat(5000) }, manifest(good)],
};

/** A pack that is in order. */
export const GOOD_PACK: readonly PackMember[] = [ROOT, { name: "tree/a", content: "x" }, manifest([directory(""), A])];

/** One of {@link HOSTILE_PACKS}, by what is wrong with it, and what a register that believes it would expect of it. */
export async function hostilePack(what: string, outside: string) {
  const members = (HOSTILE_PACKS[what] ?? []).map((member) => ({
    ...member,
    ...(member.linkname === undefined ? {} : { linkname: member.linkname.replace("OUTSIDE", outside) }),
  }));
  return packOf(members, 2 + (what.includes("twice") || what.includes("link") ? 1 : 0));
}
