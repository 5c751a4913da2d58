import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

import { operations } from "../../shared/index.ts";
import { cliEnvironment } from "../support/cli.ts";
import { copyLibrary } from "../support/library.ts";
import { treeState } from "../support/tree.ts";

const BIN = new URL("../../cli/bin/cache-ops.js", import.meta.url).pathname;

async function connect(): Promise<Client> {
  const client = new Client({ name: "test", version: "1" });
  const env = Object.fromEntries(
    Object.entries(cliEnvironment()).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  await client.connect(new StdioClientTransport({ command: execPath, args: [BIN, "mcp"], env }));
  return client;
}

describe("the MCP server over stdio", () => {
  it("offers every operation that only reads, and no other", async () => {
    const client = await connect();
    try {
      const { tools } = await client.listTools();
      const reading = operations.filter(({ effect }) => effect === "read").map(({ name }) => name);
      assert.deepEqual(tools.map(({ name }) => name).toSorted(), reading.toSorted());
      for (const { annotations } of tools) assert.equal(annotations?.readOnlyHint, true);
    } finally {
      await client.close();
    }
  });

  it("lets an agent find what is stale and plan its removal, and changes nothing", async () => {
    const library = copyLibrary();
    rmSync(join(library, "movies/The Matrix (1999)/The Matrix (1999) - 1080p.mkv"));
    const before = treeState(library);
    const client = await connect();
    try {
      const check = await client.callTool({ name: "check", arguments: { paths: [library] } });
      assert.deepEqual((check.structuredContent as { byProblem: object }).byProblem, { orphaned: 1 });
      const plan = await client.callTool({ name: "cleanup", arguments: { paths: [library] } });
      assert.equal((plan.structuredContent as { status: string }).status, "ready");
    } finally {
      await client.close();
    }
    assert.deepEqual(treeState(library), before);
  });

  it("answers bad input with an error that says what is wrong and what to do", async () => {
    const client = await connect();
    try {
      const result = await client.callTool({ name: "check", arguments: { paths: ["relative"] } });
      assert.equal(result.isError, true);
      const [content] = result.content as { text: string }[];
      const error = JSON.parse(content?.text ?? "") as { code: string; hint: string };
      assert.equal(error.code, "invalid_input");
      assert.match(error.hint, /Libraries/);
    } finally {
      await client.close();
    }
  });
});
