import { CACHE } from "../../support/library.ts";
import { fileNamed, withManifest, type LooseManifest, type Member } from "../../support/archive.ts";

/** Archives of which a member is missing, twice, one too many, another one, or in another place. */
export function oddMembers(members: readonly Member[]): Record<string, Member[]> {
  const [manifest, first, second, ...rest] = members as readonly [Member, Member, Member, ...Member[]];
  return {
    "no manifest": [first, second, ...rest],
    "only the manifest": [manifest],
    "the manifest last": [first, second, ...rest, manifest],
    "the manifest twice": [manifest, manifest, first, second, ...rest],
    "a member less": [manifest, second, ...rest],
    "the last less": members.slice(0, -1),
    "a member twice": [manifest, first, first, second, ...rest],
    "a member again at the end": [...members, first],
    "another order": [manifest, second, first, ...rest],
    surplus: [...members, fileNamed(`extra/${CACHE}`).member],
    media: [...members, { header: { name: "0/film.mkv" }, bytes: Buffer.from("film") }],
    "other bytes": [manifest, { ...first, bytes: Buffer.alloc(first.bytes.length, 32) }, second, ...rest],
    "longer bytes": [manifest, { ...first, bytes: Buffer.concat([first.bytes, Buffer.from(" ")]) }, second, ...rest],
    "swapped bytes": [manifest, { ...first, bytes: second.bytes }, { ...second, bytes: first.bytes }, ...rest],
    "an attribute": [
      manifest,
      { ...first, header: { name: first.header.name, pax: { "SCHILY.xattr": "x" } } },
      second,
      ...rest,
    ],
  };
}

/** Archives in which a member is a link, a device, a pipe or a directory. */
export function oddTypes(members: readonly Member[]): Record<string, Member[]> {
  const [manifest, first, ...rest] = members as readonly [Member, Member, ...Member[]];
  const types = [
    "symlink",
    "link",
    "directory",
    "fifo",
    "character-device",
    "block-device",
    "contiguous-file",
  ] as const;
  return Object.fromEntries(
    types.flatMap((type) => {
      const header = { name: first.header.name, type, linkname: "/etc/passwd" } as const;
      const bytes = Buffer.alloc(0);
      return [
        [type, [manifest, { header, bytes }, ...rest]],
        [`${type} as manifest`, [{ header: { ...header, name: "manifest.json" }, bytes }, first, ...rest]],
        [`${type} at the end`, [...members, { header, bytes }]],
      ];
    }),
  );
}

const first = (manifest: LooseManifest) => manifest.files[0] ?? {};

/** What is wrong with a manifest, as {@link withManifest} takes it. */
export const MANIFEST_CHANGES: Record<string, (manifest: LooseManifest) => unknown> = {
  "another version": (manifest) => ({ ...manifest, version: 2 }),
  "another format": (manifest) => ({ ...manifest, format: "tar" }),
  "no version": (manifest) => ({ ...manifest, version: undefined }),
  "a property more": (manifest) => ({ ...manifest, more: 1 }),
  "a list": () => [],
  nothing: () => "null",
  "no files": (manifest) => ({ ...manifest, files: undefined }),
  "files as an object": (manifest) => ({ ...manifest, files: {} }),
  "a prototype": (manifest) => JSON.parse(`{"__proto__": {}, ${JSON.stringify(manifest).slice(1)}`),
  "a root more than a thousand": (manifest) => ({ ...manifest, roots: Array(1001).fill(manifest.roots[0]) }),
  "a relative root": ({ roots }) => void Object.assign(roots[0] ?? {}, { path: "library/films" }),
  "a root with a way up": ({ roots: [first] }) =>
    void Object.assign(first ?? {}, { path: `${String(first?.["path"])}/../..` }),
  "a root of unknown kind": ({ roots }) => void Object.assign(roots[0] ?? {}, { holds: "home" }),
  "a file of no root": (manifest) => void Object.assign(first(manifest), { root: 7 }),
  "a negative root": (manifest) => void Object.assign(first(manifest), { root: -1 }),
  "a broken root number": (manifest) => void Object.assign(first(manifest), { root: 0.5 }),
  "a wrong hash": (manifest) => void Object.assign(first(manifest), { sha256: "0".repeat(64) }),
  "no hash": (manifest) => void Object.assign(first(manifest), { sha256: undefined }),
  "a hash in capitals": (manifest) => void Object.assign(first(manifest), { sha256: "A".repeat(64) }),
  "a wrong size": (manifest) => void Object.assign(first(manifest), { size: 1 }),
  "a size below nothing": (manifest) => void Object.assign(first(manifest), { size: -1 }),
  "an enormous size": (manifest) => void Object.assign(first(manifest), { size: 2 ** 50 }),
  "a mode that runs as somebody else": (manifest) => void Object.assign(first(manifest), { mode: 0o4755 }),
  "a mode in words": (manifest) => void Object.assign(first(manifest), { mode: "rw" }),
  "an owner below nothing": (manifest) => void Object.assign(first(manifest), { uid: -1 }),
  "an owner beyond all": (manifest) => void Object.assign(first(manifest), { gid: 0xffffffff }),
  "a time in words": (manifest) => void Object.assign(first(manifest), { mtimeNs: "yesterday" }),
  "a time with a command": (manifest) => void Object.assign(first(manifest), { mtimeNs: "1; rm -rf /" }),
  "a file listed twice": ({ files }) => void files.push({ ...files[0] }),
};

/** What is no manifest at all. */
export const NO_MANIFESTS = ["", "{", "[]", "null", "42", '"files"', "\ufeff{}", '{"files": null}'];

/** Archives that would unpack to far more than they are. */
export function bombs(members: readonly Member[], zeros: Buffer<ArrayBuffer>): Record<string, Member[]> {
  return {
    "a manifest of zeros": [{ header: { name: "manifest.json" }, bytes: zeros }],
    "a cache of zeros": (() => {
      const { line, member } = fileNamed(`bomb/${CACHE}`, zeros);
      return [...withManifest(members, ({ files }) => void files.push({ ...line })), member];
    })(),
    "zeros nobody listed": [...members, { header: { name: "0/zeros" }, bytes: zeros }],
  };
}

/** Evenly spread numbers below `end`. */
export function sample(end: number, most: number): number[] {
  return Array.from({ length: most }, (_, index) => Math.floor((index * end) / most));
}

const WAYS_UP = [
  "..",
  "../..",
  "../../..",
  "a/..",
  "a/../..",
  "a/../../..",
  "./..",
  "a/./..",
  "..//..",
  "a//..",
  "a/b/../../..",
];
const STARTS = [
  "/",
  "//",
  "/etc/",
  "/proc/self/",
  "./",
  "C:/",
  "c:/",
  "C:",
  "Z:/a/",
  "C:\\",
  "\\",
  "\\\\",
  "\\\\host\\share\\",
  "\\\\?\\C:\\",
  "..\\",
  "a\\..\\",
];
/** Paths of members that lead anywhere but to a cache below its root. */
export const ESCAPES = [
  ...WAYS_UP.flatMap((up) => [
    `${up}/${CACHE}`,
    `${up}/a/${CACHE}`,
    `/${up}/${CACHE}`,
    `${up}/etc/passwd`,
    `movies/${up}/${CACHE}`,
  ]),
  ...STARTS.flatMap((start) => [`${start}${CACHE}`, `${start}a/${CACHE}`]),
  ...["\0", "a\0", "\0/", "a/\0/", "..\0/"].map((start) => `${start}${CACHE}`),
  `${CACHE}\0.txt`,
  `a/${CACHE}/`,
  `a/${CACHE}/..`,
  `a/${CACHE}/.`,
  "",
  ".",
  "..",
  "/",
  "a//b",
  `a//${CACHE}`,
  `\ud800/${CACHE}`,
  `a/\udfff/${CACHE}`,
  `${"a/".repeat(2500)}${CACHE}`,
  "film.mkv",
  `${CACHE}.tmp`,
  `a${CACHE}`,
  `.MEDIABOX_CACHE.JSON`,
  "etc/cron.d/job",
  ".ssh/authorized_keys",
  "probe.db",
  "schema_version.txt",
  "probe/0123456789abcdef0123456789abcdef.pkl",
];
