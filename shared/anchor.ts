import { constants } from "node:fs";
import { open, readlink, realpath, type FileHandle } from "node:fs/promises";
import { isAbsolute, join, relative, sep } from "node:path";
import { pid, platform } from "node:process";

import { CacheOpsError, errnoOf } from "./errors.ts";

/** A directory held open, so that a change inside it cannot be led elsewhere by swapping a link on the way to it. */
export interface Anchor {
  /** Its real path when it was opened. */
  readonly directory: string;
  /** A path for a name in it. On Linux it goes through the open descriptor. */
  at(name: string): string;
  /** Makes created, renamed and removed names durable. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a directory for changes. Its real path must lie inside one of `realRoots`, compared component by component.
 *
 * Throws `forbidden` when it does not, and the system's error when it cannot be opened. On systems without
 * `/proc` the real path is checked once and used as a path: a swap between the two is not seen there.
 */
export async function openAnchor(directory: string, realRoots: readonly string[]): Promise<Anchor> {
  const handle = platform === "win32" ? undefined : await open(directory, DIRECTORY_FLAGS);
  try {
    // By process number, not /proc/self: the path must mean the same to a child process.
    const descriptor = platform === "linux" && handle ? `/proc/${pid}/fd/${handle.fd}` : undefined;
    const real = descriptor ? await readlink(descriptor) : await realpath(directory);
    if (!realRoots.some((root) => isInside(root, real))) {
      throw new CacheOpsError("forbidden", `${directory} leads to ${real}, outside the library`, {
        hint: "Something on the way was replaced by a link. Make a new plan.",
      });
    }
    return {
      directory: real,
      at: (name) => join(descriptor ?? real, name),
      sync: () => syncDirectory(handle),
      close: async () => handle?.close(),
    };
  } catch (error) {
    await handle?.close();
    throw error;
  }
}

const DIRECTORY_FLAGS = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0);

/** Whether `path` is `root` or lies below it. Both must be absolute and resolved. */
export function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

async function syncDirectory(handle: FileHandle | undefined): Promise<void> {
  try {
    await handle?.sync();
  } catch (error) {
    // Some network file systems do not know fsync on a directory; they write names through.
    if (errnoOf(error) !== "EINVAL" && errnoOf(error) !== "ENOTSUP") throw error;
  }
}
