import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
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

describe("the boundaries between packages", function () {
  this.timeout(600_000);
  const faults = [
    ["the core imports the MCP server", "shared", 'import "../mcp-server/server.ts";', "both"],
    ["the core imports VS Code", "shared", 'import "vscode";', "oxlint"],
    ["the core imports the MCP SDK", "shared", 'import "@modelcontextprotocol/server";', "oxlint"],
    ["the core reads the environment", "shared", "export const home = process.env;", "oxlint"],
    ["the core writes to the console", "shared", "console.log(1);", "oxlint"],
    ["the core imports itself in a circle", "shared", 'import "./circle.ts";', "oxlint"],
    ["the extension imports the MCP server", "extension", 'import "../mcp-server/server.ts";', "both"],
    ["the extension passes by the core's exports", "extension", 'import "../shared/walk.ts";', "oxlint"],
    ["the command line imports what the core does not export", "cli", 'import "@cache-ops/shared/walk.ts";', "tsc"],
    ["the MCP server imports the command line", "mcp-server", 'import "../cli/flags.ts";', "both"],
    ["a promise is left floating", "shared", "Promise.resolve(1);", "oxlint"],
  ] as const;
  const fileOf = (index: number) => `${faults[index]?.[1]}/fault-${index}.ts`;
  let asItIs: object;
  let said: { readonly tsc: string; readonly oxlint: string };

  before(() => {
    const copy = copyOfTheHouse();
    asItIs = { tsc: clean(run(copy, "tsc")), oxlint: clean(run(copy, "oxlint")) };
    for (const [index, [, , line]] of faults.entries())
      writeFileSync(join(copy, fileOf(index)), `${line}\nexport {};\n`);
    writeFileSync(join(copy, "shared", "circle.ts"), `import "../${fileOf(5)}";\nexport {};\n`);
    const [compiled, linted] = [run(copy, "tsc"), run(copy, "oxlint")];
    assert.notEqual(compiled.code, 0);
    assert.notEqual(linted.code, 0);
    said = { tsc: compiled.text, oxlint: linted.text };
  });

  it("are kept: compiler and linter have nothing to say about the sources as they are", () => {
    assert.deepEqual(asItIs, { tsc: { code: 0 }, oxlint: { code: 0 } });
  });

  for (const [index, [claim, , , by]] of faults.entries()) {
    it(`are enforced: ${claim}, and the check fails`, () => {
      if (by !== "oxlint") assert.match(said.tsc, new RegExp(fileOf(index)), "tsc");
      if (by !== "tsc") assert.match(said.oxlint, new RegExp(fileOf(index)), "oxlint");
    });
  }
});

/** Only what a failure should show. */
function clean({ code, text }: { readonly code: number | null; readonly text: string }): object {
  return code === 0 ? { code } : { code, text };
}
