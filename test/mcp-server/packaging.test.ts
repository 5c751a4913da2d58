import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const read = (file: string) => readFileSync(join(ROOT, file), "utf8");
const json = (file: string) => JSON.parse(read(file)) as Record<string, unknown>;

describe("the server's packaging", () => {
  const cli = json("cli/package.json");

  it("names the server and its version the same everywhere", () => {
    const server = json("mcp-server/server.json");
    assert.equal(server["name"], cli["mcpName"]);
    const [entry] = server["packages"] as Record<string, unknown>[];
    assert.deepEqual([entry?.["identifier"], entry?.["version"]], [cli["name"], cli["version"]]);
    assert.equal(server["version"], cli["version"]);
    assert.equal(json("mcp-server/manifest.json")["version"], cli["version"]);
  });

  it("keeps to the limits of the registry", () => {
    const { name, description } = json("mcp-server/server.json");
    assert.match(String(name), /^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/);
    assert.ok(String(description).length <= 100);
  });

  it("starts a file that the build makes", () => {
    const { server } = json("mcp-server/manifest.json") as { server: { entry_point: string } };
    assert.ok(existsSync(join(ROOT, "cli", server.entry_point)));
  });

  it("has snippets in the README that are what the clients read, all with the same command", () => {
    const readme = read("README.md");
    const blocks = [...readme.matchAll(/^```jsonc\n([^]*?)^```/gm)].map(
      ([, text = "{}"]) => JSON.parse(text) as object,
    );
    const servers = blocks.map((block) => Object.entries(block)[0]);
    assert.deepEqual(
      servers.map((entry) => entry?.[0]),
      ["servers", "mcpServers"],
    );
    for (const entry of servers) {
      const named = (entry?.[1] ?? {}) as Record<string, { command: string; args: string[] }>;
      const { command, args } = named["cache-ops"] ?? {};
      const line = [command, ...(args ?? [])].join(" ");
      assert.ok(readme.includes(`claude mcp add cache-ops -- ${line}`), line);
      assert.ok(readme.includes(`command = "${command}"\nargs = ${JSON.stringify(args).replaceAll(",", ", ")}`), line);
    }
  });
});
