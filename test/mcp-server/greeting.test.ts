import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { execPath } from "node:process";

import { InMemoryTransport, SUPPORTED_PROTOCOL_VERSIONS, type JSONRPCMessage } from "@modelcontextprotocol/server";

import { makeDesk } from "../../mcp-server/call.ts";
import { greetingFor, leaveOut, REVISIONS } from "../../mcp-server/greeting.ts";
import { buildServer } from "../../mcp-server/server.ts";
import { cliEnvironment, PROGRAM } from "../support/cli.ts";
import { makeContext } from "../support/context.ts";

const CLIENT = { name: "test", version: "1" };

const opening = (params: object = {}, rest: object = {}) => ({
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: CLIENT, ...params },
  ...rest,
});

/** What the server itself answers to an opening. */
async function serverSays(message: object): Promise<object> {
  const context = makeContext();
  const settings = { version: "1.2.3", contextFor: () => context, readOnly: false, tools: undefined };
  const server = buildServer({ ...settings, confirm: false, maxTokens: 1000 }, makeDesk());
  const [ours, theirs] = InMemoryTransport.createLinkedPair();
  const answer = new Promise<object>((resolve) => {
    Object.assign(ours, { onmessage: resolve });
  });
  await server.connect(theirs);
  await ours.send(message as JSONRPCMessage);
  const said = await answer;
  await server.close();
  return JSON.parse(JSON.stringify(said)) as object;
}

describe("the greeting before the server is loaded", () => {
  const plain = [
    ...REVISIONS.map((protocolVersion) => opening({ protocolVersion })),
    opening({}, { id: "hello" }),
    opening({ capabilities: { roots: { listChanged: true }, sampling: {}, elicitation: { form: {}, url: {} } } }),
    opening({ clientInfo: { ...CLIENT, title: "Test" } }),
  ];
  for (const message of plain) {
    it(`is what the server says itself: ${JSON.stringify(message.params)}`, async () => {
      const greeting = greetingFor(JSON.stringify(message), "1.2.3");
      assert.deepEqual({ jsonrpc: "2.0", ...greeting }, await serverSays(message));
    });
  }

  it("knows the revisions that the server knows", () => {
    assert.deepEqual(REVISIONS, SUPPORTED_PROTOCOL_VERSIONS);
  });

  const left: readonly (readonly [string, unknown])[] = [
    ["no JSON", '{"jsonrpc": '],
    ["another method", opening({}, { method: "tools/list" })],
    ["a notification", opening({}, { id: undefined })],
    ["an id that is none", opening({}, { id: null })],
    ["another revision", opening({ protocolVersion: "2026-07-28" })],
    ["an envelope of 2026", opening({ _meta: { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } })],
    ["no client", opening({ clientInfo: undefined })],
    ["a client without a name", opening({ clientInfo: { version: "1" } })],
    ["capabilities that are none", opening({ capabilities: [] })],
    ["a capability that is none", opening({ capabilities: { roots: true } })],
    ["capabilities with words", opening({ capabilities: { roots: { listChanged: "yes" } } })],
    ["several at once", [opening()]],
    ["nothing", ""],
  ];
  for (const [what, message] of left) {
    it(`is left to the server where the opening is ${what}`, () => {
      const line = typeof message === "string" ? message : JSON.stringify(message);
      assert.equal(greetingFor(line, "1.2.3"), undefined);
    });
  }

  it("has the same answer of the server left out, once, and another one sent", async () => {
    const greeting = greetingFor(JSON.stringify(opening()), "1.2.3");
    assert.ok(greeting);
    const same = { jsonrpc: "2.0", ...greeting } as unknown as JSONRPCMessage;
    const others = [
      { ...same, id: 2 },
      { ...same, result: { ...greeting.result, instructions: "x" } },
      { jsonrpc: "2.0", id: 1, error: { code: -32_602, message: "no" } },
    ] as JSONRPCMessage[];
    const [ours, theirs] = InMemoryTransport.createLinkedPair();
    const sent: unknown[] = [];
    Object.assign(ours, { onmessage: (message: unknown) => sent.push(message) });
    await ours.start();
    const transport = leaveOut(greeting, theirs);
    for (const message of [...others, same, same]) await transport.send(message);
    assert.deepEqual(sent, [...others, same]);
  });

  it("is given once, and everything after it is answered, in whatever pieces it comes", async () => {
    const ask = (id: number) => JSON.stringify({ jsonrpc: "2.0", id, method: "ping" });
    const first = JSON.stringify(opening());
    const pieces = [
      [`${first}\n${JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" })}\n${ask(2)}\n${ask(3)}\n`],
      [first.slice(0, 40), `${first.slice(40)}\n${ask(2)}`, `\n${ask(3)}\n`],
    ];
    for (const texts of pieces) {
      const child = spawn(execPath, [PROGRAM, "mcp"], { env: cliEnvironment(), stdio: ["pipe", "pipe", "inherit"] });
      const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
      for (const text of texts) {
        child.stdin.write(text);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const ids: unknown[] = [];
      while (ids.length < 3) ids.push((JSON.parse((await lines.next()).value as string) as { id: unknown }).id);
      assert.deepEqual(ids, [1, 2, 3]);
      child.stdin.end();
      const [code] = (await once(child, "exit")) as [number];
      assert.equal(code, 0);
      assert.equal((await lines.next()).done, true);
    }
  });
});
