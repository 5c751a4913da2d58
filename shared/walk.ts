import { readdirSync, type Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { TextDecoder } from "node:util";

import { isInside } from "./anchor.ts";
import { errnoOf, ERRNO_HINTS } from "./errors.ts";
import type { Trouble } from "./finding.ts";
import { throwIfAborted, withTimeLimit } from "./time-limit.ts";

/** What a name in a directory stands for. Symbolic links are not followed. */
type NameType = "file" | "directory" | "symlink" | "other";

/** A directory of a walk. */
export interface Place {
  readonly root: string;
  /** Absolute path: the root as it was given, and the components below it. */
  readonly path: string;
}

/** One directory as it was read. */
export interface Listing extends Place {
  readonly names: ReadonlyMap<string, NameType>;
}

/** How to walk, and where to report what could not be read. */
export interface WalkOptions {
  readonly signal: AbortSignal;
  /** Limit for one system call, in seconds. */
  readonly timeLimitSeconds: number;
  readonly onTrouble: (trouble: Trouble) => void;
  /** Names of directories below the roots to pass over, with all below them. */
  readonly skip?: ((name: string) => boolean) | undefined;
  /** Only these directories, and not what lies below them. Each must lie in one of the roots. */
  readonly only?: readonly string[] | undefined;
  /** Only what lies there; roots that do not hold it are passed over. */
  readonly part?: LibraryPart | undefined;
  /** Goes on with these, and what lies below them, instead of with the roots. */
  readonly from?: readonly Place[] | undefined;
  /** Asked before each directory whether to stop here; `left` is how many are known and not begun. */
  readonly isEnough?: ((left: number) => boolean) | undefined;
}

/** A part of a library, where hosts share the work on it. */
export interface LibraryPart {
  /** Absolute path: a root as it was given, or a directory right below it. */
  readonly directory: string;
  /** Whether what lies below the directory belongs to it. */
  readonly isDeep: boolean;
}

/** Directories read at once: enough to hide a NAS's latency, few enough for a disk. */
const CONCURRENCY = 8;

/**
 * Reads every directory below the roots and hands each to `visit`, in no particular order. Returns what is left where
 * `isEnough` ended it: every directory that was begun has been visited, and none of the others.
 *
 * Symbolic links to directories are not followed. A directory that cannot be read is reported and passed over.
 * Names that are not valid UTF-8 cannot be told apart safely: they are reported and kept out of the listing.
 */
export async function walk(
  roots: readonly string[],
  options: WalkOptions,
  visit: (listing: Listing) => Promise<void>,
): Promise<readonly Place[]> {
  const { part, isEnough = () => false } = options;
  const isDeep = options.only === undefined && part?.isDeep !== false;
  const pending = [...(options.from ?? beginnings(roots, options.only ?? (part && [part.directory])))];
  const running = new Set<Promise<void>>();
  const step = async (place: Place) => {
    const listing = await list(place, options);
    if (listing === undefined) return;
    if (isDeep) for (const below of placesBelow(listing, options.skip)) pending.push(below);
    await visit(listing);
  };
  try {
    while (pending.length > 0 || running.size > 0) {
      throwIfAborted(options.signal);
      const isOver = isEnough(pending.length);
      if (isOver && running.size === 0) break;
      const next = !isOver && running.size < CONCURRENCY ? pending.pop() : undefined;
      if (next === undefined) await Promise.race(running);
      else {
        const task: Promise<void> = step(next).finally(() => running.delete(task));
        running.add(task);
      }
    }
  } finally {
    await Promise.allSettled(running);
  }
  return pending;
}

function beginnings(roots: readonly string[], only: readonly string[] | undefined): Place[] {
  if (only === undefined) return roots.map((root) => ({ root, path: root }));
  return only.flatMap((path) => roots.filter((root) => isInside(root, path)).map((root) => ({ root, path })));
}

/** The directories right below one, but for those that `skip` names. */
export function placesBelow({ root, path, names }: Listing, skip?: (name: string) => boolean): Place[] {
  const places: Place[] = [];
  for (const [name, type] of names) {
    if (type === "directory" && skip?.(name) !== true) places.push({ root, path: join(path, name) });
  }
  return places;
}

/** Reads one directory synchronously, for a thread of its own. `undefined` when it cannot be read, which is reported. */
export function listNow(place: Place, onTrouble: (trouble: Trouble) => void): Listing | undefined {
  try {
    const names = new Map<string, NameType>();
    for (const entry of readdirSync(place.path, { withFileTypes: true })) names.set(entry.name, typeOf(entry));
    // What could not be decoded has this character in its place, and so may a name that really holds it.
    for (const name of names.keys()) {
      if (name.includes("\ufffd")) return listingOf(place, readdirSync(place.path, HOW_TO_READ), onTrouble);
    }
    return { ...place, names };
  } catch (error) {
    return unreadable(place, error, onTrouble);
  }
}

async function list(place: Place, { timeLimitSeconds, onTrouble }: WalkOptions): Promise<Listing | undefined> {
  try {
    const reading = () => readdir(place.path, HOW_TO_READ);
    return listingOf(
      place,
      await withTimeLimit(reading, timeLimitSeconds, place.path, `directories in ${place.root}`),
      onTrouble,
    );
  } catch (error) {
    return unreadable(place, error, onTrouble);
  }
}

/** latin1 keeps every byte of a name, so that invalid UTF-8 is seen instead of replaced. */
const HOW_TO_READ = { withFileTypes: true, encoding: "latin1" } as const;

function unreadable({ path }: Place, error: unknown, onTrouble: (trouble: Trouble) => void): undefined {
  const errno = errnoOf(error);
  if (errno === undefined) throw error;
  const hint = ERRNO_HINTS[errno] ?? "Nothing in it was judged.";
  onTrouble({ path, code: errno, message: `cannot read this directory: ${hint}` });
  return undefined;
}

function listingOf({ root, path }: Place, entries: readonly Dirent[], onTrouble: (trouble: Trouble) => void): Listing {
  const names = new Map<string, NameType>();
  for (const entry of entries) {
    const name = decodeName(entry.name);
    if (name !== undefined) names.set(name, typeOf(entry));
    else {
      onTrouble({
        path: join(path, Buffer.from(entry.name, "latin1").toString("utf8")),
        code: "name_not_utf8",
        message: "this name is not valid UTF-8: it was kept and not looked into",
      });
    }
  }
  return { root, path, names };
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeName(latin1: string): string | undefined {
  if (!/[\u0080-\u00ff]/.test(latin1)) return latin1;
  try {
    return decoder.decode(Buffer.from(latin1, "latin1"));
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function typeOf(entry: Dirent): NameType {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "directory";
  return entry.isSymbolicLink() ? "symlink" : "other";
}
