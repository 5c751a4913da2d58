import { constants } from "node:fs";
import { open, readdir, rename, rmdir, unlink, type FileHandle } from "node:fs/promises";
import { pid, platform } from "node:process";

import { errnoOf } from "./errors.ts";

/*
 * Removing a tree so that nothing outside of it can be hit: every directory is opened without following a link and
 * worked on through its descriptor, so whoever swaps a directory for a link meanwhile leads us nowhere. Names are
 * bytes here: one that is not UTF-8 goes like any other. Without `/proc` paths are used, and a swap is not seen.
 */

const FLAGS = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0);

/** Levels that are held open at once; what lies deeper is moved up first. */
const MAX_LEVELS = 64;
/** How often a directory is emptied into which somebody keeps putting things. */
const ATTEMPTS = 3;

type MoveUp = (path: Buffer) => Promise<void>;

/**
 * Removes `name` in `parent` with everything in it. That it is gone already is fine. Links are removed, never followed.
 *
 * `parent` must be a path that cannot be led elsewhere, such as that of an anchor. Throws the system's error for what
 * cannot be removed; the rest of the tree may be gone then.
 */
export async function removeTree(parent: string, name: string): Promise<void> {
  const waiting = [name];
  let moved = 0;
  const moveUp: MoveUp = async (path) => {
    moved += 1;
    const away = `${name}.${moved}`;
    await rename(path, within(parent, away));
    waiting.push(away);
  };
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    await removeAt(within(parent, next), 1, moveUp);
  }
}

async function removeAt(path: Buffer, level: number, moveUp: MoveUp): Promise<void> {
  const handle = await openDirectory(path);
  if (handle === undefined) return;
  try {
    const inside = platform === "linux" ? `/proc/${pid}/fd/${handle.fd}` : path;
    for (let attempt = 1; ; attempt += 1) {
      for (const name of await readdir(inside, { encoding: "buffer" })) {
        const child = within(inside, name);
        await (level < MAX_LEVELS ? removeAt(child, level + 1, moveUp) : moveUp(child));
      }
      if (await removeEmpty(path, attempt === ATTEMPTS)) return;
    }
  } finally {
    await handle.close();
  }
}

/** Opens a directory. What is none is removed; `undefined` then. */
async function openDirectory(path: Buffer): Promise<FileHandle | undefined> {
  try {
    return await open(path, FLAGS);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT") return undefined;
    // A file, or a link whatever it leads to.
    if (errno !== "ENOTDIR" && errno !== "ELOOP") throw error;
  }
  try {
    await unlink(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  return undefined;
}

async function removeEmpty(path: Buffer, isLast: boolean): Promise<boolean> {
  try {
    await rmdir(path);
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT") return true;
    if (isLast || (errno !== "ENOTEMPTY" && errno !== "EEXIST")) throw error;
    return false;
  }
}

function within(parent: string | Buffer, name: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from(parent), SEPARATOR, Buffer.from(name)]);
}

const SEPARATOR = Buffer.from("/");
