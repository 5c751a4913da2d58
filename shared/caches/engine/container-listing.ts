import { createHash } from "node:crypto";

/** Something in a cache directory, in terms that every way of looking agrees on. */
export interface ListedEntry {
  readonly type: "file" | "directory" | "link" | "other";
  /** Bytes of a file; 0 for what is none. */
  readonly size: number;
  /** Whole seconds since 1970. */
  readonly mtimeSeconds: number;
  /** Relative to the directory, which is `""` itself; bytes, one character each (latin1). */
  readonly name: string;
  /** The same for names of one file. */
  readonly identity?: string | undefined;
}

/** A directory with everything in it, looked at whole. */
export interface Listing {
  /** Bytes of its files, each counted once however many names it has; directories count nothing. */
  readonly bytes: number;
  /** Everything below the directory. */
  readonly entries: number;
  /** Over types, sizes, times and names of it all. */
  readonly sha256: string;
  /** Names right in the directory (latin1). */
  readonly children: readonly string[];
}

/** Adds up what was seen. Sockets and pipes count as entries, but not all ways see them: the digest leaves them out. */
export function addUp(seen: readonly ListedEntry[]): Listing {
  const counted = new Set<string>();
  const hash = createHash("sha256");
  let bytes = 0;
  const lines: string[] = [];
  for (const { type, size, mtimeSeconds, name, identity } of seen) {
    if (type !== "other") lines.push(`${type}\0${size}\0${mtimeSeconds}\0${name}\0\0`);
    if (identity !== undefined && counted.has(identity)) continue;
    if (identity !== undefined) counted.add(identity);
    bytes += size;
  }
  for (const line of lines.sort()) hash.update(line, "latin1");
  const below = seen.filter(({ name }) => name !== "");
  return {
    bytes,
    entries: below.length,
    sha256: hash.digest("hex"),
    children: below.map(({ name }) => name).filter((name) => !name.includes("/")),
  };
}

const TYPES: Readonly<Record<number, ListedEntry["type"]>> = {
  0o100000: "file",
  0o040000: "directory",
  0o120000: "link",
};

/** The type in the mode of a file. */
export function typeOf(mode: number): ListedEntry["type"] {
  return TYPES[mode & 0o170000] ?? "other";
}
