import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { env, exit, getuid } from "node:process";

/** Makes sure that the programs the tests need are there: installs them as root on Debian, else names the command. */

const PROGRAMS: Readonly<Record<string, string>> = {
  strace: "strace",
  tmux: "tmux",
  python3: "python3",
  setpriv: "util-linux",
  unshare: "util-linux",
};

const missing = Object.keys(PROGRAMS).filter((program) => !isInstalled(program));
if (missing.length > 0) install([...new Set(missing.map((program) => PROGRAMS[program] ?? program))]);
const still = Object.keys(PROGRAMS).filter((program) => !isInstalled(program));
if (still.length > 0) {
  console.error(
    `The tests need ${still.join(", ")}. Install with: apt-get install ${still.map((program) => PROGRAMS[program]).join(" ")}`,
  );
  exit(1);
}

function isInstalled(program: string): boolean {
  return (env["PATH"] ?? "").split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function install(packages: readonly string[]): void {
  if (getuid?.() !== 0 || !isInstalled("apt-get")) return;
  console.error(`Installing ${packages.join(", ")} …`);
  spawnSync("apt-get", ["update", "-qq"], { stdio: "inherit" });
  const options = { stdio: "inherit" as const, env: { ...env, DEBIAN_FRONTEND: "noninteractive" } };
  spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], options);
}
