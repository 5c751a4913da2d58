import { dirname, isAbsolute, join, resolve, sep } from "node:path";

import { isComponent } from "../caches/directory/names.ts";
import type { Context } from "../context.ts";
import { CacheOpsError } from "../errors.ts";
import { printable } from "../printable.ts";

/** Where an archive lies, and whether that is our own directory of backups. */
export interface ArchivePlace {
  readonly path: string;
  readonly isOurs: boolean;
}

/**
 * Where the archive lies that a caller means: a bare name lies among the backups in the state directory, everything
 * else must be an absolute path.
 *
 * Throws `invalid_input` for relative paths, and `forbidden` for any other directory when the caller is confined.
 */
export function placeOfArchive(word: string, { state, bounds }: Pick<Context, "state" | "bounds">): ArchivePlace {
  const directory = join(state().directory, "backups");
  const isBare = isComponent(word) && !word.includes("\\") && !word.startsWith(".");
  const path = isBare ? join(directory, word) : resolve(word);
  const isOurs = dirname(path) === resolve(directory) && !path.slice(dirname(path).length).startsWith(`${sep}.`);
  if (bounds?.confined === true && !isOurs) {
    throw new CacheOpsError("forbidden", `${printable(word).slice(0, 200)} is outside the directory of backups`, {
      hint: "Give a name without directories, such as before-cleanup.tar.gz.",
    });
  }
  if (!isBare && !isAbsolute(word)) {
    throw new CacheOpsError(
      "invalid_input",
      `${printable(word).slice(0, 200)} is neither a name nor an absolute path`,
      {
        hint: "Give the whole path, or a name without directories for one among the backups.",
      },
    );
  }
  return { path, isOurs };
}
