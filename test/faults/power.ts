import { execFileSync, spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
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
  XFS: { megabytes: 320, format: ["mkfs.xfs", "-q", "-f"], options: "loop,nouuid" },
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
      await unmount(mount);
      takeFromOthers(image);
      start();
    },
    remove() {
      execFileSync("umount", ["-l", mount]);
      rmSync(place, { recursive: true });
    },
  };
}

/** What a process that was killed had started may hold it for a moment. */
async function unmount(mount: string): Promise<void> {
  for (let left = 100; ; left -= 1) {
    try {
      execFileSync("umount", [mount], { stdio: "pipe" });
      return;
    } catch (error) {
      if (left === 0 || !String(error).includes("busy")) throw error;
      await delay(100);
    }
  }
}

/**
 * A container that started meanwhile has copies of all mounts, and with them the file system as it was cut off. What is
 * on the disk is then looked at in a copy.
 */
function takeFromOthers(image: string): void {
  if (execFileSync("losetup", ["--associated", image], { encoding: "utf8" }) === "") return;
  execFileSync("cp", ["--sparse=always", image, `${image}.copy`]);
  renameSync(`${image}.copy`, image);
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
