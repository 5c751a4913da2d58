import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";
import { fileURLToPath } from "node:url";

import { makePlace } from "../support/place.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PACKAGES = ["shared", "mcp-server", "cli", "extension"];

/** A copy of the sources whose packages find each other, and everything else in the real node_modules. */
function copyOfTheHouse(): string {
  const copy = makePlace("house");
  for (const name of [...PACKAGES, "tsconfig.json", ".oxlintrc.json", "package.json"]) {
    cpSync(join(ROOT, name), join(copy, name), { recursive: true, filter: (path) => !path.endsWith("/dist") });
  }
  const references = PACKAGES.map((path) => ({ path }));
  const config = JSON.parse(readFileSync(join(copy, "tsconfig.json"), "utf8")) as object;
  writeFileSync(join(copy, "tsconfig.json"), JSON.stringify({ ...config, references }));
  mkdirSync(join(copy, "node_modules", "@cache-ops"), { recursive: true });
  for (const name of readdirSync(join(ROOT, "node_modules"))) {
    if (name !== "@cache-ops" && name !== "cache-ops")
      symlinkSync(join(ROOT, "node_modules", name), join(copy, "node_modules", name));
  }
  for (const name of ["shared", "mcp-server", "cli"])
    symlinkSync(join(copy, name), join(copy, "node_modules", "@cache-ops", name));
  return copy;
}

function run(copy: string, program: "tsc" | "oxlint"): { readonly code: number | null; readonly text: string } {
  const script = join(ROOT, "node_modules", program === "tsc" ? "typescript/bin/tsc" : "oxlint/bin/oxlint");
  const { status, stdout, stderr } = spawnSync(
    execPath,
    [script, ...(program === "tsc" ? ["-b"] : ["--deny-warnings"])],
    {
      cwd: copy,
      encoding: "utf8",
    },
  );
  return { code: status, text: stdout + stderr };
}

describe("the boundaries between packages", () => {
  it("are kept: compiler and linter have nothing to say about the sources as they are", () => {
    const copy = copyOfTheHouse();
    for (const program of ["tsc", "oxlint"] as const) assert.deepEqual(clean(run(copy, program)), { code: 0 }, program);
  });

  const faults = [
    ["the core imports the MCP server", "shared/walk.ts", 'import "../mcp-server/server.ts";', "both"],
    ["the core imports VS Code", "shared/walk.ts", 'import "vscode";', "oxlint"],
    ["the core imports the MCP SDK", "shared/walk.ts", 'import "@modelcontextprotocol/server";', "oxlint"],
    ["the core reads the environment", "shared/walk.ts", "export const home = process.env;", "oxlint"],
    ["the core writes to the console", "shared/walk.ts", "console.log(1);", "oxlint"],
    ["the core imports itself in a circle", "shared/errors.ts", 'export { invoke } from "./operation.ts";', "oxlint"],
    ["the extension imports the MCP server", "extension/context.ts", 'import "../mcp-server/server.ts";', "both"],
    ["the extension passes by the core's exports", "extension/context.ts", 'import "../shared/walk.ts";', "oxlint"],
    [
      "the command line imports what the core does not export",
      "cli/flags.ts",
      'import "@cache-ops/shared/walk.ts";',
      "tsc",
    ],
    ["the MCP server imports the command line", "mcp-server/server.ts", 'import "../cli/flags.ts";', "both"],
    ["a promise is left floating", "shared/walk.ts", "Promise.resolve(1);", "oxlint"],
  ] as const;
  for (const [claim, file, line, by] of faults) {
    it(`are enforced: ${claim}, and the check fails`, () => {
      const copy = copyOfTheHouse();
      appendFileSync(join(copy, file), `\n${line}\n`);
      if (by !== "oxlint") assert.notEqual(run(copy, "tsc").code, 0, "tsc");
      if (by !== "tsc") assert.notEqual(run(copy, "oxlint").code, 0, "oxlint");
    });
  }
});

/** Only what a failure should show. */
function clean({ code, text }: { readonly code: number | null; readonly text: string }): object {
  return code === 0 ? { code } : { code, text };
}
