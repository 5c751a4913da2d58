#!/usr/bin/env node
// Starts the command line on a Node that can run it: this one, or the one the repository pins. Imports nothing that is
// not needed: each module costs a part of the time that `cache-ops --version` takes.
const built = new URL("../dist/cache-ops.js", import.meta.url);
const [major, minor] = process.versions.node.split(".").map(Number);
const isNewEnough = major > 22 || (major === 22 && minor >= 15);
const notBuilt = "cache-ops is not built yet: run `npm run build`.";

if (isNewEnough) {
  await import(built.href).catch((error) => {
    if (error.code !== "ERR_MODULE_NOT_FOUND" || error.url !== built.href) throw error;
    refuse(notBuilt);
  });
} else await startPinned();

function refuse(message) {
  console.error(message);
  process.exit(70);
}

async function startPinned() {
  const { spawn } = await import("node:child_process");
  const { existsSync } = await import("node:fs");
  const { createRequire } = await import("node:module");
  const path = await import("node:path");
  const { fileURLToPath } = await import("node:url");
  if (!existsSync(built)) refuse(notBuilt);
  const pinned = path.join(path.dirname(createRequire(import.meta.url).resolve("node/package.json")), "bin", "node");
  const words = [fileURLToPath(built), ...process.argv.slice(2)];
  // The channel tells the child when this process is gone: killing one kills both.
  const child = spawn(pinned, words, { stdio: ["inherit", "inherit", "inherit", "ipc"] });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => refuse(`cache-ops needs Node 22.15 or newer; ${pinned}: ${error.message}`));
  child.on("exit", (code, signal) => process.exit(signal === null ? code : 128 + 15));
}
