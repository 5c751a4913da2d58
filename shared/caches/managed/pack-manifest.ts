import { Type, type Static } from "typebox";

import { CacheOpsError } from "../../errors.ts";
import { matches } from "../../validate.ts";

const closed = { additionalProperties: false } as const;
const common = {
  path: Type.String({ description: "Below the directory, with / between names; empty: the directory itself." }),
  mode: Type.Integer({ minimum: 0, maximum: 0o7777 }),
  uid: Type.Integer({ minimum: 0 }),
  gid: Type.Integer({ minimum: 0 }),
  mtimeNs: Type.String({ pattern: "^-?[0-9]{1,20}$" }),
};
const Sha256 = Type.String({ pattern: "^[0-9a-f]{64}$" });

/** One name in a packed directory. */
export const PackedEntry = Type.Union([
  Type.Object({ type: Type.Literal("directory"), ...common }, closed),
  Type.Object({ type: Type.Literal("file"), ...common, size: Type.Integer({ minimum: 0 }), sha256: Sha256 }, closed),
  Type.Object({ type: Type.Literal("link"), ...common, target: Type.String({ minLength: 1 }) }, closed),
]);
export type PackedEntry = Static<typeof PackedEntry>;

/** The last member of a pack: all that the members before it must be, and what the archive itself cannot say. */
export const PackManifest = Type.Object(
  {
    version: Type.Literal(1),
    cache: Type.String({ description: "Name of the managed cache it is from." }),
    path: Type.String({ description: "Its directory, relative to the root of that cache." }),
    tree: Sha256,
    entries: Type.Array(PackedEntry, { minItems: 1, description: "A directory before what is in it." }),
  },
  closed,
);
export type PackManifest = Static<typeof PackManifest>;

/** What the manifest is called in the archive. Everything else in it lies below {@link TREE_NAME}. */
export const PACK_MANIFEST_NAME = "manifest.json";

/** The directory in the archive that stands for the one that was packed. */
export const TREE_NAME = "tree";

/** More names make no pack: its manifest is held in memory. */
export const MAX_PACKED_NAMES = 200_000;

/** Reads a manifest. Throws `corrupt` for anything that packing would not have written. */
export function parsePackManifest(bytes: Buffer): PackManifest {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw damagedPack("its manifest is not JSON", error);
  }
  if (!matches(PackManifest, value)) throw damagedPack("its manifest is not one of ours");
  return value;
}

/**
 * The path that a member of an archive stands for. Throws `corrupt` for names that are absolute, lead elsewhere or that
 * no file system holds.
 */
export function packedPath(name: string): string {
  const [first, ...names] = name.split("/");
  const isClean = names.every(
    (part) => part !== "" && part !== "." && part !== ".." && Buffer.byteLength(part) <= 255 && !part.includes("\0"),
  );
  if (first !== TREE_NAME || !isClean) throw damagedPack("a name in it leads outside");
  return names.join("/");
}

/** The error for a pack that is not what packing wrote. */
export function damagedPack(what: string, cause?: unknown): CacheOpsError {
  return new CacheOpsError("corrupt", `the pack is damaged: ${what}`, {
    hint: "Nothing of it was put in place. Get the file back from a copy, or the content from where it came.",
    cause,
  });
}
