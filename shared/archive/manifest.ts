import { Type, type Static } from "typebox";

import { CACHE_NAME, isComponent } from "../caches/directory/names.ts";
import { CacheOpsError } from "../errors.ts";
import { Content } from "../file.ts";
import { printable } from "../printable.ts";
import { parse } from "../validate.ts";

const closed = { additionalProperties: false } as const;

/**
 * What a root of a backup holds: caches beside media (`directory`), a cache directory of media-audit, or the state
 * directory with our own store of probe results. It decides which files may stand in it.
 */
export const Holding = Type.Enum(["directory", "media-audit", "probe-store"], { description: "What this root holds." });
export type Holding = Static<typeof Holding>;

/** A directory that files of a backup come from. */
export const ArchivedRoot = Type.Object(
  {
    holds: Holding,
    path: Type.String({ minLength: 2, maxLength: 4096, description: "Absolute path when the backup was made." }),
    library: Type.Union([Type.String({ maxLength: 64 }), Type.Null()], { description: "Name of its library, if any." }),
  },
  closed,
);
export type ArchivedRoot = Static<typeof ArchivedRoot>;

/** One file of a backup. Permission bits only: a backup never makes a file that runs as somebody else. */
export const ArchivedFile = Type.Object(
  {
    root: Type.Integer({ minimum: 0, description: "Number of its root, from 0." }),
    path: Type.String({ minLength: 1, maxLength: 4096, description: "Path relative to the root." }),
    ...Content.properties,
    mode: Type.Integer({ minimum: 0, maximum: 0o777 }),
    uid: Type.Integer({ minimum: 0, maximum: 0xfffffffe }),
    gid: Type.Integer({ minimum: 0, maximum: 0xfffffffe }),
    mtimeNs: Type.String({ pattern: "^-?[0-9]{1,19}$" }),
  },
  closed,
);
export type ArchivedFile = Static<typeof ArchivedFile>;

const Head = Type.Object(
  {
    format: Type.Literal("cache-ops-backup"),
    version: Type.Literal(1),
    createdAt: Type.String({ maxLength: 40 }),
    roots: Type.Array(ArchivedRoot, { maxItems: 1000 }),
  },
  closed,
);

/** What a backup holds: the first member of its archive, `manifest.json`. Members follow in the order of `files`. */
export interface Manifest extends Static<typeof Head> {
  readonly files: readonly ArchivedFile[];
}

/** Name of the first member. */
export const MANIFEST_NAME = "manifest.json";

/** Limits of an archive, held when it is written and when it is read. */
export const LIMITS = {
  manifestBytes: 128 * 1024 * 1024,
  files: 300_000,
  /** Of a file of any other program. Our own store is as large as it is: it is never held whole in memory. */
  fileBytes: 128 * 1024 * 1024,
  totalBytes: 64 * 1024 ** 3,
  /** Bytes that one byte of an archive may unpack to, beyond the first `slackBytes`: a gzip bomb reaches a thousand. */
  ratio: 500,
  slackBytes: 16 * 1024 * 1024,
} as const;

/** The name of a file's member in the archive. */
export function memberName({ root, path }: Pick<ArchivedFile, "root" | "path">): string {
  return `${root}/${path}`;
}

/**
 * Reads the first member of an archive. Throws `corrupt` for anything but a manifest whose every path is plain and
 * stands for a cache of its root.
 */
export function parseManifest(bytes: Buffer): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof TypeError)) throw error;
    throw damaged("its manifest is not JSON", error);
  }
  if (typeof value !== "object" || value === null || !("files" in value) || !Array.isArray(value.files)) {
    throw damaged("its manifest lists no files");
  }
  const { files: listed, ...rest } = value;
  if (listed.length > LIMITS.files)
    throw damaged(`it lists ${listed.length} files; more than ${LIMITS.files} are refused`);
  const head = checked(Head, rest);
  const seen = new Set<string>();
  let total = 0;
  // One by one: a hostile manifest must not earn a list of a million mistakes.
  const files = listed.map((item: unknown) => {
    const file = checked(ArchivedFile, item);
    const root = head.roots[file.root];
    if (root === undefined) throw damaged(`it lists a file of root ${file.root}, which it does not have`);
    const objection = objectionTo(root.holds, file.path);
    if (objection !== undefined) throw damaged(`the path ${shown(file.path)} ${objection}`);
    if (seen.has(memberName(file))) throw damaged(`it lists ${shown(file.path)} twice`);
    seen.add(memberName(file));
    total += file.size;
    const isLarge = file.size > LIMITS.fileBytes && root.holds !== "probe-store";
    if (isLarge || total > LIMITS.totalBytes) throw damaged("it is larger than any backup may be");
    return file;
  });
  for (const { path } of head.roots) {
    if (objectionToRoot(path)) throw damaged(`the root ${shown(path)} is no plain absolute path`);
  }
  return { ...head, files };
}

/** Why a file with this path can stand in no backup of such a root, or `undefined` when it can. */
export function objectionTo(holds: Holding, path: string): string | undefined {
  const parts = path.split("/");
  if (!parts.every((part) => isComponent(part) && !part.includes("\\")) || !path.isWellFormed()) {
    return "is not made of plain names";
  }
  if (/^[A-Za-z]:/.test(path)) return "begins with a drive letter";
  if (Buffer.byteLength(path) > 4000) return "is too long";
  return NAMES[holds](parts) ? undefined : "is not that of a cache";
}

/** Which files a root may hold: nothing but caches goes into a backup, and nothing else comes out of one. */
const NAMES: Readonly<Record<Holding, (parts: readonly string[]) => boolean>> = {
  directory: (parts) => parts.at(-1) === CACHE_NAME,
  "media-audit": (parts) =>
    /^(schema_version\.txt|probe\/[0-9a-f]{32}\.pkl|scan\/[0-9a-f]{32}\.json)$/.test(parts.join("/")),
  "probe-store": (parts) => parts.length === 1 && parts[0] === STORE_NAME,
};

/** Name of our own store of probe results in the state directory. */
const STORE_NAME = "probe.db";

function objectionToRoot(path: string): boolean {
  const isWindows = /^[A-Za-z]:\\/.test(path) || path.startsWith("\\\\");
  const [first, ...parts] = isWindows ? path.split("\\") : path.split("/");
  const plain = parts.every((part) => part !== "." && part !== ".." && !part.includes("\0"));
  return !(plain && path.isWellFormed() && (isWindows || first === ""));
}

function checked<S extends typeof Head | typeof ArchivedFile>(schema: S, value: unknown): Static<S> {
  try {
    return parse(schema, value, "its manifest");
  } catch (error) {
    if (error instanceof CacheOpsError) throw damaged(error.message, error);
    throw error;
  }
}

/** The error `corrupt` for an archive that is not as we write them. */
export function damaged(what: string, cause?: unknown): CacheOpsError {
  return new CacheOpsError("corrupt", `this is no whole backup: ${what}`, {
    hint: "Nothing was restored. Take another backup, or a fresh copy of this one.",
    cause,
  });
}

function shown(path: string): string {
  return JSON.stringify(printable(path).slice(0, 200));
}
