import { spawnSync } from "node:child_process";
import { env, exit, getuid } from "node:process";

import { installHost } from "./host/install.ts";
import { findChromium, findProgram } from "./host/programs.ts";

/**
 * Makes sure that the programs the tests need are there: installs them as root on Debian, else names the command. Then
 * the VS Code that the tests run in.
 */

const PROGRAMS: Readonly<Record<string, string>> = {
  strace: "strace",
  tmux: "tmux",
  python3: "python3",
  setpriv: "util-linux",
  unshare: "util-linux",
  ffprobe: "ffmpeg",
  "redis-server": "redis-server",
  dockerd: "docker.io",
  podman: "podman",
  crun: "crun",
  busybox: "busybox-static",
  "systemd-analyze": "systemd",
  chromium: "chromium",
  cc: "gcc libc6-dev",
  wrk: "wrk",
  "mkfs.ext4": "e2fsprogs",
  "mkfs.xfs": "xfsprogs",
};

const missing = listMissing();
if (missing.length > 0) install([...new Set(missing.flatMap((program) => PROGRAMS[program]?.split(" ") ?? program))]);
const still = listMissing();
if (still.length > 0) {
  console.error(
    `The tests need ${still.join(", ")}. Install with: apt-get install ${still.map((program) => PROGRAMS[program]).join(" ")}`,
  );
  exit(1);
}
try {
  installHost();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  exit(1);
}

function listMissing(): string[] {
  return Object.keys(PROGRAMS).filter(
    (program) => (program === "chromium" ? findChromium() : findProgram(program)) === undefined,
  );
}

function install(packages: readonly string[]): void {
  if (getuid?.() !== 0 || findProgram("apt-get") === undefined) return;
  console.error(`Installing ${packages.join(", ")} …`);
  spawnSync("apt-get", ["update", "-qq"], { stdio: "inherit" });
  const options = { stdio: "inherit" as const, env: { ...env, DEBIAN_FRONTEND: "noninteractive" } };
  spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], options);
}
