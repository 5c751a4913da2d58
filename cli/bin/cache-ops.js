#!/usr/bin/env node
// Starts the command line on a Node that can run it: this one, or the one the repository pins.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const built = join(here, "..", "dist", "cache-ops.js");
const [major, minor] = process.versions.node.split(".").map(Number);
const isNewEnough = major > 22 || (major === 22 && minor >= 15);

if (!existsSync(built)) {
  console.error("cache-ops is not built yet: run `npm run build`.");
  process.exit(70);
} else if (isNewEnough) {
  await import(built);
} else {
  const pinned = join(dirname(createRequire(import.meta.url).resolve("node/package.json")), "bin", "node");
  // The channel tells the child when this process is gone: killing one kills both.
  const child = spawn(pinned, [built, ...process.argv.slice(2)], { stdio: ["inherit", "inherit", "inherit", "ipc"] });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`cache-ops needs Node 22.15 or newer; ${pinned}: ${error.message}`);
    process.exit(70);
  });
  child.on("exit", (code, signal) => process.exit(signal === null ? code : 128 + 15));
}
