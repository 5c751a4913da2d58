import fs, { constants, type BigIntStats, type Dirent } from "node:fs";
import { platform } from "node:process";
import { promisify } from "node:util";

import { presenceHere, presenceOf, type Presence } from "./presence.ts";

/** What a call comes back with, now or later: to be awaited in any case. */
type Answer<T> = T | Promise<T>;

/** To open a file for reading that somebody may have put a link or a pipe in the place of: neither is followed or waited for. */
export const READ_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** The system calls by which files are compared and put in place. They throw or reject with the system's error. */
export interface FileCalls {
  readonly open: (path: string, flags: number, mode?: number) => Answer<number>;
  readonly close: (descriptor: number) => Answer<void>;
  /** Reads from where the file is at, and returns how many bytes it put at `offset`. */
  readonly read: (descriptor: number, into: Uint8Array, offset: number) => Answer<number>;
  /** Writes what stands from `offset` on, and returns how many bytes of it were written. */
  readonly write: (descriptor: number, bytes: Uint8Array, offset: number) => Answer<number>;
  readonly stat: (path: string) => Answer<BigIntStats>;
  readonly lstat: (path: string) => Answer<BigIntStats>;
  readonly fstat: (descriptor: number) => Answer<BigIntStats>;
  readonly fchmod: (descriptor: number, mode: number) => Answer<void>;
  readonly fchown: (descriptor: number, uid: number, gid: number) => Answer<void>;
  readonly readlink: (path: string) => Answer<string>;
  readonly unlink: (path: string) => Answer<void>;
  /** What is in a directory. */
  readonly list: (directory: string) => Answer<Dirent[]>;
  /** Whether something is there. That it does not say so in time is an answer, too. */
  readonly presence: (path: string, timeLimitSeconds: number) => Answer<Presence>;
}

const bigint = { bigint: true } as const;
const [open, close, read, write] = [
  promisify(fs.open),
  promisify(fs.close),
  promisify(fs.read),
  promisify(fs.write),
] as const;

const listed = { withFileTypes: true } as const;
const readdir = promisify(fs.readdir);
const [stat, lstat, fstat] = [promisify(fs.stat), promisify(fs.lstat), promisify(fs.fstat)] as const;

/** By the thread pool: a disk or a share that takes its time holds up nobody else. */
export const pooledCalls: FileCalls = {
  open,
  close,
  read: async (descriptor, into, offset) =>
    (await read(descriptor, into, offset, into.length - offset, null)).bytesRead,
  write: async (descriptor, bytes, offset) =>
    (await write(descriptor, bytes, offset, bytes.length - offset, null)).bytesWritten,
  stat: (path) => stat(path, bigint),
  lstat: (path) => lstat(path, bigint),
  fstat: (descriptor) => fstat(descriptor, bigint),
  fchmod: promisify(fs.fchmod),
  fchown: promisify(fs.fchown),
  readlink: (path) => promisify(fs.readlink)(path),
  unlink: promisify(fs.unlink),
  list: (directory) => readdir(directory, listed),
  presence: presenceOf,
};

/** At once: a disk of this host answers in less time than it takes to hand the question to another thread. */
const directCalls: FileCalls = {
  open: fs.openSync,
  close: fs.closeSync,
  read: (descriptor, into, offset) => fs.readSync(descriptor, into, offset, into.length - offset, null),
  write: (descriptor, bytes, offset) => fs.writeSync(descriptor, bytes, offset, bytes.length - offset, null),
  stat: (path) => fs.statSync(path, bigint),
  lstat: (path) => fs.lstatSync(path, bigint),
  fstat: (descriptor) => fs.fstatSync(descriptor, bigint),
  fchmod: fs.fchmodSync,
  fchown: fs.fchownSync,
  readlink: (path) => fs.readlinkSync(path),
  unlink: fs.unlinkSync,
  list: (directory) => fs.readdirSync(directory, listed),
  presence: presenceHere,
};

/** Types of file systems on disks of this host, as Linux numbers them: ext, XFS, Btrfs, ZFS, F2FS, tmpfs, overlay. */
const ON_THIS_HOST = new Set(
  [0xef53, 0x58465342, 0x9123683e, 0x2fc12fc1, 0xf2f52010, 0x01021994, 0x794c7630].map(String),
);

/** Whether a file system of this type lies on a disk of this host. */
export function isOnThisHost(fileSystem: string): boolean {
  return ON_THIS_HOST.has(fileSystem);
}

/** How to call file systems of these types: {@link pooledCalls} unless all of them are known to answer at once. */
export function callsFor(fileSystems: readonly string[]): FileCalls {
  return platform === "linux" && fileSystems.every(isOnThisHost) ? directCalls : pooledCalls;
}
