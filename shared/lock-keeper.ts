import { randomUUID } from "node:crypto";
import {
  close,
  constants,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { platform } from "node:process";
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";

import lockfile from "proper-lockfile";

import { errnoOf } from "./errors.ts";
import { lifeOf, Owner, OWNER_FILE, thisOwner } from "./owner.ts";
import { printable } from "./printable.ts";
import { matches } from "./validate.ts";

/* The thread that makes and keeps the locks of `lock.ts`; the numbers in brackets are its invariants. */

/** What the keeper is asked. */
export type KeeperRequest =
  | { readonly id: number; readonly type: "acquire"; readonly path: string; readonly token?: undefined }
  | { readonly id: number; readonly type: "release"; readonly path: string; readonly token: string };

/** What it answers. */
export type KeeperReply =
  | { readonly outcome: "acquired"; readonly token: string }
  | { readonly outcome: "held"; readonly holder: string }
  | { readonly outcome: "released" }
  | { readonly outcome: "failed"; readonly errno: string; readonly message: string };

/** What the thread is started with. */
export interface KeeperData {
  readonly guardDirectory: string;
  readonly staleSeconds: number;
}

/** How many signs of life a lock gives before it would count as abandoned. */
const SIGNS_OF_LIFE = 5;

const DIRECTORY_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

const { guardDirectory, staleSeconds } = workerData as KeeperData;
const self = thisOwner();
const releases = new Map<string, () => void>();

function acquire(path: string): KeeperReply {
  const token = randomUUID();
  try {
    lockOnce(path, token, false);
  } catch (error) {
    if (!isHeld(error)) return failure(error);
    try {
      withGuard(() => lockOnce(path, token, true));
    } catch (second) {
      return isHeld(second) ? { outcome: "held", holder: holderOf(path) } : failure(second);
    }
  }
  return { outcome: "acquired", token };
}

function release(path: string, token: string): KeeperReply {
  const held = releases.get(token);
  releases.delete(token);
  try {
    held?.();
  } catch (error) {
    // Taken over meanwhile: the lock is another's now and stays.
    if (errnoOf(error) !== "ERELEASED" && errnoOf(error) !== "ENOENT") return failure(error);
  }
  return { outcome: "released" };
}

function lockOnce(path: string, token: string, mayTakeOver: boolean): void {
  const owner = JSON.stringify({ ...self, token });
  let mine = false;
  let isDated = false;
  const files = {
    mkdirSync(directory: string) {
      mkdirSync(directory);
      mine = true;
      try {
        writeFileSync(join(directory, OWNER_FILE), owner, { flag: "wx" });
      } catch (error) {
        // By a clock that is far ahead it looked abandoned at once, and is somebody else's by now.
        if (errnoOf(error) === "ENOENT" || errnoOf(error) === "EEXIST") throw held();
        removeIfThere(() => unlinkSync(join(directory, OWNER_FILE)));
        rmdirSync(directory);
        throw error;
      }
    },
    rmdirSync(directory: string) {
      if (mine && readOwnerText(directory)?.includes(token) === false) return;
      if (!mine && !mayTakeOver) throw held();
      removeIfThere(() => unlinkSync(join(directory, OWNER_FILE)));
      // Held open it is gone at once, and its blocks are freed, which takes a while, when it is closed.
      const open = platform === "win32" ? undefined : openSync(directory, DIRECTORY_FLAGS);
      try {
        rmdirSync(directory);
      } catch (error) {
        // Somebody with another state directory, whom the guard does not hold up, took it over just now.
        if (!mine && errnoOf(error) === "ENOTEMPTY") throw held();
        throw error;
      } finally {
        if (open !== undefined) close(open);
      }
    },
    statSync(directory: string) {
      const stats = statSync(directory);
      // (L3) The lock of a process that is dead on this host is as old as can be.
      if (!mine && ownerOf(directory) === "dead") stats.mtime = new Date(0);
      return stats;
    },
    realpathSync,
    utimesSync(directory: string, atime: Date, mtime: Date) {
      // The library dates a lock by our clock when it has made it: needless where the file system's is the same.
      if (isDated || !agree(statSync(directory).mtime)) utimesSync(directory, atime, mtime);
      isDated = true;
    },
  };
  try {
    const unlock = lockfile.lockSync(`${path}#${token}`, {
      lockfilePath: path,
      realpath: false,
      stale: staleSeconds * 1000,
      update: (staleSeconds * 1000) / SIGNS_OF_LIFE,
      fs: files,
      // (L4) says before each write whether the lock is still held; nothing more to do here.
      onCompromised: () => releases.delete(token),
    });
    releases.set(token, unlock);
  } catch (error) {
    // Where a lock can be made and is gone at the next call, somebody whom the guard does not hold up was faster.
    const wasThere = error instanceof Error && "syscall" in error && error.syscall !== "mkdir";
    throw wasThere && errnoOf(error) === "ENOENT" ? held() : error;
  }
}

/** What the library says of a lock that somebody holds. */
function held(): Error {
  return Object.assign(new Error("held"), { code: "ELOCKED" });
}

/** Whether a time that a file system gave just now is about ours. */
function agree(mtime: Date): boolean {
  return Math.abs(mtime.getTime() - Date.now()) < 1000;
}

function withGuard(work: () => void): void {
  const guard = new DatabaseSync(join(guardDirectory, "lock-guard.db"), { timeout: 5_000 });
  try {
    guard.exec("BEGIN EXCLUSIVE");
    work();
    guard.exec("COMMIT");
  } finally {
    guard.close();
  }
}

function ownerOf(directory: string): "alive" | "dead" | "unknown" {
  const owner = parseOwner(readOwnerText(directory));
  return owner === undefined ? "unknown" : lifeOf(owner, self);
}

function holderOf(directory: string): string {
  const owner = parseOwner(readOwnerText(directory));
  return owner === undefined ? "another process" : `process ${owner.pid} on ${printable(owner.host)}`;
}

function parseOwner(text: string | undefined): Owner | undefined {
  if (text === undefined) return undefined;
  try {
    const { token: _, ...owner } = JSON.parse(text) as Record<string, unknown>;
    return matches(Owner, owner) ? owner : undefined;
  } catch (error) {
    // Cut off while it was written: the age of the directory decides.
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

function readOwnerText(directory: string): string | undefined {
  try {
    return readFileSync(join(directory, OWNER_FILE), "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

function removeIfThere(unlink: () => void): void {
  try {
    unlink();
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

function isHeld(error: unknown): boolean {
  return errnoOf(error) === "ELOCKED";
}

function failure(error: unknown): KeeperReply {
  return {
    outcome: "failed",
    errno: errnoOf(error) ?? "EIO",
    message: error instanceof Error ? error.message : String(error),
  };
}

parentPort?.on("message", (requests: readonly KeeperRequest[]) => {
  parentPort?.postMessage(
    requests.map(({ id, type, path, token }) => ({
      ...(type === "acquire" ? acquire(path) : release(path, token)),
      id,
    })),
  );
});
