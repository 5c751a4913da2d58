import { readFile } from "node:fs/promises";
import { platform } from "node:process";

import { isInside } from "./anchor.ts";
import { errnoOf } from "./errors.ts";
import { isOnThisHost } from "./file-calls.ts";
import type { Passport } from "./passport.ts";

/** Names of file systems on disks of this host, as the table of mounts has them. */
const LOCAL_NAMES = new Set(["ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "tmpfs"]);

/**
 * Whether everything below these roots lies on disks of this host: they answer at once, and their directories change
 * their times with what they hold. Not so for shares, FUSE and unions of several directories, nor for a root below
 * which one of those is mounted. Where that cannot be told, the answer is no.
 */
export async function areLocal(passports: readonly Passport[]): Promise<boolean> {
  if (platform !== "linux" || !passports.every(({ fileSystem }) => isOnThisHost(fileSystem))) return false;
  const mounts = await readMounts();
  return (
    mounts !== undefined &&
    mounts.every(
      ({ point, type }) => LOCAL_NAMES.has(type) || !passports.some(({ realPath }) => isInside(realPath, point)),
    )
  );
}

/** `undefined` where there is no such table. */
async function readMounts(): Promise<{ readonly point: string; readonly type: string }[] | undefined> {
  let table: string;
  try {
    table = await readFile("/proc/self/mountinfo", "utf8");
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
  // 36 35 98:0 / /mnt/a\040disk rw,noatime shared:1 - ext4 /dev/sda1 rw
  return table.split("\n").flatMap((line) => {
    const [mount = "", source = ""] = line.split(" - ");
    const point = mount.split(" ")[4];
    const [type = ""] = source.split(" ");
    return point === undefined ? [] : [{ point: unescaped(point), type }];
  });
}

function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
