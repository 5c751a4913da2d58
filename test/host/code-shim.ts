#!/usr/bin/env node
import { realpathSync } from "node:fs";
import process, { argv, env } from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { runInServer } from "./run-suite.ts";

/**
 * Stands in for the executable of a desktop VS Code where there is none: takes the arguments that `@vscode/test-electron`
 * gives, runs the tests in the VS Code server, and ends with the exit code.
 */

const { values, positionals } = parseArgs({
  args: argv.slice(2),
  options: { extensionDevelopmentPath: { type: "string" }, extensionTestsPath: { type: "string" } },
  allowPositionals: true,
  strict: false,
});
const { extensionDevelopmentPath: extension, extensionTestsPath: tests } = values;
if (typeof extension !== "string" || typeof tests !== "string") {
  throw new Error("code-shim needs --extensionDevelopmentPath and --extensionTestsPath");
}
const folder = positionals[0];
process.exitCode = await runInServer({
  extension: toPath(extension),
  tests: toPath(tests),
  ...(folder === undefined ? {} : { folder: toPath(folder) }),
  // What the server's environment leaves out is what these tests are told with.
  env: Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith("CACHE_OPS_"))),
});

function toPath(path: string): string {
  return realpathSync(path.startsWith("file:") ? fileURLToPath(path) : path);
}
