import { execFileSync, spawn, spawnSync, type ChildProcessWithoutNullStreams } from "node:child_process";
import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

import { makePlace } from "../support/place.ts";

/** A file system in a file, whose power can be cut: Linux, as root. */
export interface Disk {
  readonly mount: string;
  /** Everything that is not on the disk by now is lost. Processes on it get errors from then on. */
  cut(): Promise<void>;
  /** After {@link cut}, and when no process is on it any more: as after the next start. */
  start(): Promise<void>;
  remove(): void;
}

/** How file systems are made: by a name, the smallest size, how to format and how to mount. */
export const FILE_SYSTEMS = {
  ext4: { megabytes: 48, format: ["mkfs.ext4", "-q", "-F"], options: "loop" },
  "ext4 noauto_da_alloc": { megabytes: 48, format: ["mkfs.ext4", "-q", "-F"], options: "loop,noauto_da_alloc" },
  XFS: { megabytes: 320, format: ["mkfs.xfs", "-q", "-f"], options: "loop" },
} as const;
export type FileSystem = keyof typeof FILE_SYSTEMS;

/** Makes and mounts one. Throws what the system says where that is not possible. */
export function makeDisk(kind: FileSystem): Disk {
  const place = makePlace("disk");
  const [image, mount] = [join(place, "image"), join(place, "mount")];
  const { megabytes, format, options } = FILE_SYSTEMS[kind];
  writeFileSync(image, "");
  truncateSync(image, megabytes * 1024 * 1024);
  mkdirSync(mount);
  execFileSync(format[0], [...format.slice(1), image], { stdio: "pipe" });
  const start = () => void execFileSync("mount", ["-o", options, image, mount], { stdio: "pipe" });
  start();
  return {
    mount,
    cut: () => cutPower(mount),
    start: async () => {
      await unmount(mount, image);
      start();
    },
    remove() {
      execFileSync("umount", ["-l", mount]);
      rmSync(place, { recursive: true });
    },
  };
}

/**
 * What a process that was killed had started may hold the mount for a moment, and so may a container that starts in the
 * same moment: with a copy of all mounts, and without keeping `umount` from its success.
 */
async function unmount(mount: string, image: string): Promise<void> {
  const isMounted = () => spawnSync("mountpoint", ["-q", mount]).status === 0;
  const isHeld = () => execFileSync("losetup", ["--associated", image], { encoding: "utf8" }) !== "";
  for (let left = 600; ; left -= 1) {
    try {
      if (isMounted()) execFileSync("umount", [mount], { stdio: "pipe" });
      if (!isHeld()) return;
      if (left === 0) throw new Error(`${image} is still mounted elsewhere`);
    } catch (error) {
      if (left === 0 || !String(error).includes("busy")) throw error;
    }
    await delay(100);
  }
}

/** The ioctl is FS_IOC_SHUTDOWN with FSOP_GOING_FLAGS_NOLOGFLUSH: what was not synced is gone, the log as well. */
const CUTTER = `
import fcntl, os, struct, sys
for line in sys.stdin:
    fd = os.open(line.rstrip("\\n"), os.O_RDONLY)
    fcntl.ioctl(fd, 0x8004587D, struct.pack("I", 2))
    os.close(fd)
    print("cut", flush=True)
`;

let cutter: { readonly child: ChildProcessWithoutNullStreams; readonly lines: AsyncIterator<string> } | undefined;

async function cutPower(mount: string): Promise<void> {
  if (cutter === undefined || cutter.child.exitCode !== null) {
    const child = spawn("python3", ["-c", CUTTER]);
    child.unref();
    cutter = { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
  }
  cutter.child.stdin.write(`${mount}\n`);
  if ((await cutter.lines.next()).done === true) throw new Error("FS_IOC_SHUTDOWN is not possible");
}
