import { constants } from "node:fs";
import { realpath } from "node:fs/promises";
import { isAbsolute, join, relative, sep } from "node:path";
import { pid, platform } from "node:process";

import { CacheOpsError, errnoOf } from "./errors.ts";
import { pooledCalls, type FileCalls } from "./file-calls.ts";
import { syncTogether } from "./sync-together.ts";

/** A directory held open, so that a change inside it cannot be led elsewhere by swapping a link on the way to it. */
export interface Anchor {
  /** Its real path when it was opened. */
  readonly directory: string;
  /** How the file system it lies on is called. */
  readonly calls: FileCalls;
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
export async function openAnchor(
  directory: string,
  realRoots: readonly string[],
  calls: FileCalls = pooledCalls,
): Promise<Anchor> {
  const opened = platform === "win32" ? undefined : await calls.open(directory, DIRECTORY_FLAGS);
  const close = async () => (opened === undefined ? undefined : calls.close(opened));
  try {
    // By process number, not /proc/self: the path must mean the same to a child process.
    const descriptor = platform === "linux" && opened !== undefined ? `/proc/${pid}/fd/${opened}` : undefined;
    const real = descriptor ? await calls.readlink(descriptor) : await realpath(directory);
    if (!realRoots.some((root) => isInside(root, real))) {
      throw new CacheOpsError("forbidden", `${directory} leads to ${real}, outside the library`, {
        hint: "Something on the way was replaced by a link. Make a new plan.",
      });
    }
    return {
      directory: real,
      calls,
      at: (name) => join(descriptor ?? real, name),
      sync: async () => (opened === undefined ? undefined : syncDirectory(opened, calls)),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const DIRECTORY_FLAGS = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0);

/** Whether `path` is `root` or lies below it. Both must be absolute and resolved. */
export function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

async function syncDirectory(descriptor: number, calls: FileCalls): Promise<void> {
  const { dev, ino } = await calls.fstat(descriptor);
  try {
    await syncTogether(descriptor, `${dev}:${ino}`);
  } catch (error) {
    // Some network file systems do not know fsync on a directory; they write names through.
    if (errnoOf(error) !== "EINVAL" && errnoOf(error) !== "ENOTSUP") throw error;
  }
}
