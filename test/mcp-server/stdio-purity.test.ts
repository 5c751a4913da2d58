import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { env as environment, execPath } from "node:process";
import { text } from "node:stream/consumers";

import { cliEnvironment } from "../support/cli.ts";
import { copyLibrary } from "../support/library.ts";
import { connect, ERAS } from "./agent.ts";

const BIN = new URL("../../cli/bin/cache-ops.js", import.meta.url).pathname;
const SNAPSHOT = new URL("tools.snapshot.json", import.meta.url);

/** Set to write the snapshot anew. */
const UPDATE = "UPDATE_SNAPSHOT";

describe("what an agent is offered", () => {
  for (const era of ERAS) {
    it(`is what tools.snapshot.json says, to a client of ${era}`, async () => {
      const agent = await connect(era, ["--root", copyLibrary()]);
      try {
        const { tools } = await agent.client.listTools();
        const offered = `${JSON.stringify(tools, undefined, 2)}\n`;
        if (environment[UPDATE] !== undefined) writeFileSync(SNAPSHOT, offered);
        assert.deepEqual(
          tools,
          JSON.parse(readFileSync(SNAPSHOT, "utf8")),
          `the tools changed. If that is meant: ${UPDATE}=1 npx mocha test/mcp-server/stdio-purity.test.ts && npm run format, and review the difference`,
        );
      } finally {
        await agent.close();
      }
    });
  }
});

const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

/** The messages a client of an era sends to say hello and to call tools, well and badly. */
function conversation(era: (typeof ERAS)[number]): object[] {
  const calls = [
    { method: "tools/list", params: {} },
    { method: "tools/call", params: { name: "stats", arguments: {} } },
    { method: "tools/call", params: { name: "check", arguments: {} } },
    { method: "tools/call", params: { name: "cleanup", arguments: {} } },
    { method: "tools/call", params: { name: "doctor", arguments: {} } },
    { method: "tools/call", params: { name: "check", arguments: { paths: ["/etc"] } } },
    { method: "tools/call", params: { name: "nothing", arguments: {} } },
    { method: "no/such/method", params: {} },
  ];
  if (era === "2026") {
    return calls.map(({ method, params }, id) => ({ jsonrpc: "2.0", id, method, params: { ...params, _meta: META } }));
  }
  const hello = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } };
  return [
    { jsonrpc: "2.0", id: "hello", method: "initialize", params: hello },
    { jsonrpc: "2.0", method: "notifications/initialized" },
    ...calls.map((call, id) => ({ jsonrpc: "2.0", id, ...call })),
  ];
}

for (const era of ERAS) {
  describe(`standard output of the server, to a client of ${era}`, () => {
    it("holds JSON-RPC messages and nothing else, an answer for every request", async () => {
      const library = copyLibrary();
      rmSync(join(library, "movies/Names/.hidden.mkv"));
      writeFileSync(join(library, "movies/Names/.mediabox_cache.json"), "{ damaged");
      const child = spawn(execPath, [BIN, "mcp", "--root", library], { env: cliEnvironment() });
      const messages = conversation(era);
      const expected = messages.flatMap((message) => ("id" in message ? [message.id] : []));
      for (const message of messages) child.stdin.write(`${JSON.stringify(message)}\n`);

      const answers: { jsonrpc: string; id?: unknown }[] = [];
      let rest = "";
      for await (const part of child.stdout.setEncoding("utf8")) {
        const lines = `${rest}${String(part)}`.split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) answers.push(JSON.parse(line) as (typeof answers)[number]);
        if (answers.filter(({ id }) => id !== undefined).length === expected.length) child.stdin.end();
      }
      assert.equal(rest, "");
      for (const { jsonrpc } of answers) assert.equal(jsonrpc, "2.0");
      assert.deepEqual(new Set(answers.map(({ id }) => id)), new Set(expected));
    });
  });
}

describe("the end of standard input", () => {
  it("ends the process with 0, before a word was said, and in the middle of one", async () => {
    const hello = `${JSON.stringify(conversation("2025")[0])}\n`;
    for (const said of ["", hello, hello.slice(0, 40), "not a message\n"]) {
      const child = spawn(execPath, [BIN, "mcp", "--root", copyLibrary()], { env: cliEnvironment() });
      const printed = text(child.stdout);
      const ended = once(child, "close") as Promise<[number | null]>;
      child.stdin.end(said);
      const [code] = await ended;
      assert.equal(code, 0, said);
      for (const line of (await printed).split("\n").filter(Boolean)) {
        assert.equal((JSON.parse(line) as { jsonrpc: string }).jsonrpc, "2.0");
      }
    }
  });
});
