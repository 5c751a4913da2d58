import { lstatSync, statSync, type BigIntStats } from "node:fs";
import { stat } from "node:fs/promises";
import { basename } from "node:path";

import { errnoOf } from "./errors.ts";
import { withTimeLimit } from "./time-limit.ts";
import type { Listing } from "./walk.ts";

/**
 * Whether something is there. `unknown` is its own answer and never leads to a removal: of all errors only
 * ENOENT and ENOTDIR mean "gone", and only under a root whose passport is in order.
 */
export type Presence =
  | { readonly state: "present"; readonly stats: BigIntStats }
  | { readonly state: "gone" }
  | { readonly state: "unknown"; readonly errno: string };

/**
 * Asks the filesystem, following symbolic links. Sizes are bytes, times nanoseconds (both `bigint`).
 * No answer within `timeLimitSeconds` is `unknown` with ETIMEDOUT; `where` names what hangs together with it.
 */
export async function presenceOf(path: string, timeLimitSeconds: number, where?: string): Promise<Presence> {
  try {
    return {
      state: "present",
      stats: await withTimeLimit(() => stat(path, { bigint: true }), timeLimitSeconds, path, where),
    };
  } catch (error) {
    return withoutAnswer(error);
  }
}

/**
 * {@link presenceOf} for the files of a directory. What its links lead to may lie on a share that hangs while what lies
 * here does not, so the two hang apart from each other.
 */
export function presenceIn({ root, names }: Listing, timeLimitSeconds: number): (path: string) => Promise<Presence> {
  const kindOf = (path: string) => (names.get(basename(path)) === "symlink" ? "links" : "media");
  return async (path) => presenceOf(path, timeLimitSeconds, `${kindOf(path)} in ${root}`);
}

/** {@link presenceOf} for a thread of its own that somebody else watches: it may take as long as the system lets it. */
export function presenceNow(path: string): Presence {
  try {
    const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
    return stats === undefined ? { state: "gone" } : { state: "present", stats };
  } catch (error) {
    return withoutAnswer(error);
  }
}

/**
 * {@link presenceOf} on a disk that answers at once, without another thread unless there is a link: that may lead to
 * a share.
 */
export function presenceHere(path: string, timeLimitSeconds: number): Presence | Promise<Presence> {
  try {
    const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (stats === undefined) return { state: "gone" };
    return stats.isSymbolicLink() ? presenceOf(path, timeLimitSeconds, "links") : { state: "present", stats };
  } catch (error) {
    return withoutAnswer(error);
  }
}

function withoutAnswer(error: unknown): Presence {
  const errno = errnoOf(error);
  if (errno === undefined) throw error;
  return errno === "ENOENT" || errno === "ENOTDIR" ? { state: "gone" } : { state: "unknown", errno };
}
