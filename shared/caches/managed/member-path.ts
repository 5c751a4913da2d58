import type { Stats } from "node:fs";
import { lstat, realpath } from "node:fs/promises";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { platform } from "node:process";

import { isInside } from "../../anchor.ts";
import type { Context } from "../../context.ts";
import { CacheOpsError, errnoOf, ERRNO_HINTS, systemError } from "../../errors.ts";
import { isOurName, QUARANTINE_NAME } from "../../naming.ts";
import { inspectRoot, type Passport } from "../../passport.ts";
import { printable } from "../../printable.ts";
import { withTimeLimit } from "../../time-limit.ts";
import { parseDuration } from "../../units.ts";
import type { ManagedCache } from "./settings.ts";

/** A directory of a managed cache that is there. */
export interface Member {
  /** Relative to the root, with `/` between names: what the register knows it by. */
  readonly path: string;
  /** Its real path. */
  readonly directory: string;
  /** The root as it is now. */
  readonly passport: Passport;
}

/** The parts of a managed cache's settings that say what its members are. */
type Bounds = Pick<ManagedCache, "name" | "root" | "depth">;

/** Longest name in bytes that the usual file systems take; a longer one is nobody's. */
const MAX_NAME_BYTES = 255;

/**
 * What the register calls the directory that a caller's word stands for: a path relative to the root, or an absolute
 * one inside it. Judges the text alone; whether there is such a directory is said by {@link findMember}.
 *
 * Throws `forbidden` for what leads or lies outside the root or is ours, `invalid_input` for anything else that can
 * be no member: nothing, the root itself, another depth, text that no file system holds.
 */
export function memberPath(cache: Bounds, word: string, realRoot = cache.root): string {
  const shown = printable(word).slice(0, 200);
  const fail = (code: "invalid_input" | "forbidden", what: string) =>
    new CacheOpsError(code, `"${shown}" ${what}`, {
      hint: `Name a directory ${cache.depth === 1 ? "in" : `${cache.depth} levels below`} ${printable(cache.root)}, as \`directories\` lists them.`,
    });
  if (word === "") throw fail("invalid_input", "is no path");
  if (word.includes("\0")) throw fail("invalid_input", "holds a NUL character");
  // A lone surrogate would be written as another name, which may well exist.
  if (!word.isWellFormed()) throw fail("invalid_input", "is no valid Unicode");
  const way = isAbsolute(word) ? wayBelow([resolve(cache.root), realRoot], word) : word;
  if (way === undefined) throw fail("forbidden", `is outside the managed cache ${cache.name}`);
  const names = way.split(SEPARATORS).filter((name) => name !== "");
  if (names.includes("..")) throw fail("forbidden", "leads outside with ..");
  if (names.every((name) => name === ".")) throw fail("invalid_input", "is the root itself");
  if (names.includes(".")) throw fail("invalid_input", "holds a name that is only a dot");
  if (names.some(isOurName)) throw fail("forbidden", `is of cache-ops itself, as ${QUARANTINE_NAME} is`);
  if (names.some((name) => Buffer.byteLength(name) > MAX_NAME_BYTES)) throw fail("invalid_input", "is too long");
  if (platform === "win32" && names.some((name) => /[<>:"|?*]|[. ]$/.test(name))) {
    throw fail("invalid_input", "holds characters that have a meaning of their own on Windows");
  }
  if (names.length !== cache.depth) {
    throw fail("invalid_input", `is ${names.length} deep; the directories of ${cache.name} are ${cache.depth} deep`);
  }
  return names.join("/");
}

const SEPARATORS = platform === "win32" ? /[/\\]/ : /\//;

/** The part of an absolute path below one of the roots, as it was written: nothing in it is resolved. */
function wayBelow(roots: readonly string[], word: string): string | undefined {
  const names = word.split(SEPARATORS).filter((name) => name !== "");
  for (const root of roots) {
    const parts = root.split(SEPARATORS).filter((name) => name !== "");
    if (parts.every((part, index) => names[index] === part)) return names.slice(parts.length).join("/");
  }
  return undefined;
}

/** Throws `invalid_input` when the root of a managed cache is relative: it would be another one in every directory. */
export function assertAbsolute({ name, root }: Pick<ManagedCache, "name" | "root">): void {
  if (isAbsolute(root)) return;
  throw new CacheOpsError("invalid_input", `configuration: root "${printable(root)}" is not an absolute path`, {
    hint: `Correct managed.root of ${name}.`,
  });
}

/**
 * The root of a managed cache as it is now. Throws `invalid_input` for one that is not absolute or no directory,
 * `not_found` when it is missing, `unavailable` when it is empty or cannot be read: its disk may not be mounted.
 */
export async function inspectManagedRoot(cache: Bounds, context: Context): Promise<Passport> {
  assertAbsolute(cache);
  const shown = printable(cache.root);
  const found = await inspectRoot(resolve(cache.root), parseDuration(context.configuration.timeLimit));
  switch (found.state) {
    case "healthy":
      return found.passport;
    case "not_a_directory":
      throw new CacheOpsError("invalid_input", `${shown}, the root of ${cache.name}, is not a directory`, {
        hint: "Correct managed.root in the configuration.",
      });
    case "missing":
      throw new CacheOpsError("not_found", `${shown}, the root of ${cache.name}, does not exist`, {
        hint: "Check the spelling in the configuration. If it is a mount, mount it.",
      });
    case "empty":
      throw new CacheOpsError("unavailable", `${shown}, the root of ${cache.name}, is empty: is its disk mounted?`, {
        hint: "Mount the disk. Nothing was changed.",
      });
    case "unreadable":
      throw new CacheOpsError("unavailable", `${shown}, the root of ${cache.name}, cannot be read (${found.detail})`, {
        hint: ERRNO_HINTS[found.detail] ?? "Check rights and mount.",
      });
  }
}

/**
 * The directory that a caller's word stands for, looked at name by name: each is a directory and no link, and its real
 * path is the real root and these names.
 *
 * Throws as {@link memberPath} and {@link inspectManagedRoot} do, `not_found` when it is not there, `forbidden` for
 * links, `invalid_input` for files.
 */
export async function findMember(cache: Bounds, word: string, context: Context): Promise<Member> {
  const passport = await inspectManagedRoot(cache, context);
  const path = memberPath(cache, word, passport.realPath);
  return { path, directory: await memberDirectory(passport.realPath, path, context), passport };
}

/** The real path of a member by its path in the register. Throws as {@link findMember} does. */
export async function memberDirectory(realRoot: string, path: string, context: Context): Promise<string> {
  const limit = parseDuration(context.configuration.timeLimit);
  const names = path.split("/");
  const directory = join(realRoot, ...names);
  for (const [index, name] of names.entries()) {
    const place = join(realRoot, ...names.slice(0, index), name);
    const stats = await lookAt(place, limit);
    if (stats.isSymbolicLink()) {
      throw new CacheOpsError("forbidden", `${printable(place)} is a link`, {
        hint: "Links in a managed cache are never followed. Name the directory itself.",
      });
    }
    if (!stats.isDirectory()) {
      throw new CacheOpsError("invalid_input", `${printable(place)} is not a directory`, {
        hint: "A managed cache is about directories.",
      });
    }
  }
  const real = await withTimeLimit(() => realpath(directory), limit, directory);
  if (!isInside(realRoot, real) || real === realRoot || relative(realRoot, real).split(sep).join("/") !== path) {
    throw new CacheOpsError("forbidden", `${printable(directory)} is ${printable(real)} on the disk`, {
      hint: "Name it as it is written on the disk.",
    });
  }
  return real;
}

async function lookAt(place: string, limit: number): Promise<Stats> {
  try {
    return await withTimeLimit(() => lstat(place), limit, place);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR") {
      throw new CacheOpsError("not_found", `${printable(place)} does not exist`, {
        hint: "Check the spelling; capital letters matter.",
        cause: error,
      });
    }
    throw systemError(error, `cannot look at ${printable(place)}`);
  }
}
