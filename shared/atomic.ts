import { constants, linkSync, lstatSync, renameSync, unlinkSync } from "node:fs";

import type { Anchor } from "./anchor.ts";
import { CacheOpsError, errnoOf } from "./errors.ts";
import { pooledCalls, type FileCalls } from "./file-calls.ts";
import { identityOf, readUnhashed, sameIdentity, type Attributes, type Identity } from "./file.ts";
import { setTimes } from "./mtime.ts";
import { syncTogether } from "./sync-together.ts";

/** What surrounds the one call by which a file changes. */
export interface Commit {
  /** Called right before it: throws when the right to write was lost. */
  readonly assertMayWrite: () => void;
  /** Called right after it: from now on the file is another one, whatever fails. */
  readonly changed: () => void;
}

/** What {@link publish} puts in place, and over what. */
export interface Publication extends Commit {
  readonly anchor: Anchor;
  readonly name: string;
  /** Name of the temporary file in the same directory. Must not be in use. */
  readonly temp: string;
  readonly bytes: Uint8Array;
  /** The version that may be replaced; `absent`: there must be nothing. */
  readonly replaces: Identity | "absent";
  readonly attributes: Partial<Attributes>;
}

/**
 * Puts a file in place so that every reader, at every moment and after a power cut, sees the old one or the new one.
 *
 * (3) 1. a new file under a name of our own, opened exclusively; 2. all bytes, checked by reading them back;
 * 3. mode, owner and times; 4. fsync; 5. compare what is there with what may be replaced; 6. rename; 7. fsync of the
 * directory; 8. look whether ours is what stands there now. Until 6 the target is untouched and a failure removes
 * the temporary file. Throws `stale_plan` when 5 or 8 finds another writer's file, else the system's error.
 */
export async function publish(publication: Publication): Promise<void> {
  const { anchor, name, temp, replaces } = publication;
  const tempPath = anchor.at(temp);
  const target = anchor.at(name);
  const written = await writeTemp(tempPath, publication);
  try {
    // From here to the rename there is no await: nothing of ours can come between comparison and rename.
    publication.assertMayWrite();
    assertUnchanged(target, replaces, name);
    if (replaces === "absent") publishNew(tempPath, target, name);
    else renameSync(tempPath, target);
    publication.changed();
    await anchor.sync();
    const now = await anchor.calls.lstat(target);
    if (now.ino !== written.inode || now.size !== written.size) {
      throw new CacheOpsError("stale_plan", `${name} was replaced by another program right after it was written`);
    }
  } catch (error) {
    await removeTemp(tempPath, anchor.calls);
    throw error;
  }
}

/** Removes a file, if it still is the version given. Durable when it returns. */
export async function remove(anchor: Anchor, name: string, seen: Identity, commit: Commit): Promise<void> {
  const target = anchor.at(name);
  commit.assertMayWrite();
  assertUnchanged(target, seen, name);
  unlinkSync(target);
  commit.changed();
  await anchor.sync();
}

/** Removes a temporary file of ours; that it is gone already is fine. */
export async function removeTemp(path: string, calls: FileCalls = pooledCalls): Promise<void> {
  try {
    await calls.unlink(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

/** Steps 1 to 4; returns the identity of what was written. */
async function writeTemp(path: string, { anchor: { calls }, bytes, attributes }: Publication): Promise<Identity> {
  const descriptor = await calls.open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    try {
      await writeWhole(descriptor, bytes, calls);
      await takeAttributes(descriptor, attributes, calls);
      await restoreTimes(path, attributes);
      await syncTogether(descriptor);
    } finally {
      await calls.close(descriptor);
    }
    const written = await readUnhashed(path, calls);
    if (!written.bytes.equals(bytes)) {
      throw new CacheOpsError("unavailable", `${path} does not hold what was written`, {
        hint: "The disk returned other bytes than were written; check it.",
      });
    }
    return written.identity;
  } catch (error) {
    await removeTemp(path, calls);
    throw error;
  }
}

/** On a full disk a write is short, and the next one fails: nothing truncated is published. */
async function writeWhole(descriptor: number, bytes: Uint8Array, calls: FileCalls): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await calls.write(descriptor, bytes, at);
}

async function takeAttributes(
  descriptor: number,
  { mode, uid, gid }: Partial<Attributes>,
  calls: FileCalls,
): Promise<void> {
  if (uid !== undefined && gid !== undefined) {
    const now = await calls.fstat(descriptor);
    if (Number(now.uid) !== uid || Number(now.gid) !== gid) await calls.fchown(descriptor, uid, gid);
  }
  if (mode !== undefined) await calls.fchmod(descriptor, mode);
}

async function restoreTimes(path: string, { atimeNs, mtimeNs }: Partial<Attributes>): Promise<void> {
  if (mtimeNs !== undefined && atimeNs !== undefined) await setTimes(path, BigInt(atimeNs), BigInt(mtimeNs));
}

function assertUnchanged(target: string, expected: Identity | "absent", name: string): void {
  const stats = lstatSync(target, { bigint: true, throwIfNoEntry: false });
  const unchanged =
    expected === "absent" ? stats === undefined : stats !== undefined && sameIdentity(identityOf(stats), expected);
  if (!unchanged) {
    throw new CacheOpsError("stale_plan", `${name} was changed by another program meanwhile`, {
      hint: "Make a new plan.",
    });
  }
}

/**
 * Gives a finished temporary file its name, where there is nothing of that name; throws `stale_plan` where there is.
 * Links instead of renaming, because a link fails where something came into being meanwhile.
 */
export function publishNew(temp: string, target: string, name: string): void {
  try {
    linkSync(temp, target);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "EEXIST") throw new CacheOpsError("stale_plan", `${name} came into being meanwhile`);
    if (errno !== "EPERM" && errno !== "ENOTSUP" && errno !== "ENOSYS") throw error;
    // No hard links on this file system: the comparison made just before has to do.
    renameSync(temp, target);
    return;
  }
  unlinkSync(temp);
}
