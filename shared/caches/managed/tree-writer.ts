import { lutimes, lstat, chmod, lchown, mkdir, open, symlink } from "node:fs/promises";
import { dirname } from "node:path";
import { geteuid, platform } from "node:process";

import { errnoOf } from "../../errors.ts";
import { setOwnMtime } from "../../mtime.ts";
import { damagedPack, type PackedEntry } from "./pack-manifest.ts";

/** Puts the members of a pack into a new directory. Paths are those of the manifest, checked. */
export interface TreeWriter {
  directory(path: string): Promise<void>;
  file(path: string, content: AsyncIterable<Buffer>): Promise<void>;
  link(path: string, target: string): Promise<void>;
  /** Gives everything its owner, mode and times, looks whether it has them, and makes all of it durable. */
  finish(entries: readonly PackedEntry[]): Promise<void>;
}

/**
 * A writer into `stage`, which must not exist yet: it is made with the first directory, readable for nobody else.
 *
 * Nothing is written through a link: whatever is written into must be a directory that this writer made. Throws
 * `corrupt` where that is not so or something is there twice, else the system's error.
 */
export function makeTreeWriter(stage: string): TreeWriter {
  const made = new Set<string>();
  const place = (path: string) => {
    const parent = path === "" ? undefined : path.includes("/") ? dirname(path) : "";
    if (parent !== undefined && !made.has(parent)) throw damagedPack("something in it lies in no directory of it");
    return path === "" ? stage : `${stage}/${path}`;
  };
  return {
    async directory(path) {
      await once(() => mkdir(place(path), { mode: 0o700 }));
      made.add(path);
    },
    async file(path, content) {
      const handle = await once(() => open(place(path), "wx", 0o600));
      try {
        // Loops over short writes: on a full disk it fails instead of leaving part of a file.
        for await (const chunk of content) await handle.writeFile(chunk);
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
    link: (path, target) => once(() => symlink(target, place(path))),
    async finish(entries) {
      // What lies deeper comes first: a directory gets its time after all in it, and its mode may lock us out of it.
      for (const entry of entries.toReversed()) await giveAttributes(place(entry.path), entry);
    },
  };
}

async function once<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (errnoOf(error) === "EEXIST") throw damagedPack("something is in it twice", error);
    throw error;
  }
}

async function giveAttributes(path: string, entry: PackedEntry): Promise<void> {
  const { type, mode, uid, gid, mtimeNs } = entry;
  const now = await lstat(path);
  const isOther = platform !== "win32" && (now.uid !== uid || now.gid !== gid);
  // Only root can give files away; for everybody else they belong to whoever unpacks them.
  if (isOther && geteuid?.() === 0) await lchown(path, uid, gid);
  if (type === "directory") await syncDirectory(path);
  if (type !== "link") await chmod(path, mode);
  const seconds = Number(mtimeNs) / 1e9;
  await lutimes(path, Math.max(seconds, now.mtimeMs / 1000), seconds);
  await setOwnMtime(path, BigInt(mtimeNs));
  const made = await lstat(path);
  if (type === "file" && made.size !== entry.size) throw damagedPack(`${entry.path} was not written whole`);
}

async function syncDirectory(path: string): Promise<void> {
  if (platform === "win32") return;
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
