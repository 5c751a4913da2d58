import assert from "node:assert/strict";
import { once } from "node:events";

import { McpServer } from "@modelcontextprotocol/server";

import { serveHttp } from "../../mcp-server/index.ts";
import { ERAS, type Agent } from "./agent.ts";
import { openSession, send, type Sent } from "./http-client.ts";
import { connectHttp } from "./http-server.ts";

const MOST = 64;
const TOKEN = "a token that only this test knows";
const LIST = JSON.stringify({ jsonrpc: "2.0", id: 2, method: "tools/list", params: {} });

describe("a session over HTTP", () => {
  let server: { readonly url: string; readonly token: string; readonly tokenFile: string; stop(): Promise<null> };
  /** Told when the tool starts to wait, and when its call was given up. */
  const tool = new EventTarget();

  before(async () => {
    const options = { host: "127.0.0.1", port: 0, token: TOKEN, allowedHosts: [], requestsPerMinute: 100_000 };
    const build = () => {
      const mcp = new McpServer({ name: "waiting", version: "1" });
      mcp.registerTool("wait", { description: "Waits until it is given up." }, async ({ mcpReq }) => {
        const givenUp = once(mcpReq.signal, "abort");
        tool.dispatchEvent(new Event("started"));
        await givenUp;
        tool.dispatchEvent(new Event("given up"));
        return { content: [] };
      });
      return mcp;
    };
    const { url, close } = await serveHttp(build, options);
    server = { url, token: TOKEN, tokenFile: "", stop: async () => (await close(), null) };
  });
  after(() => server.stop());

  const list = (session: string): Promise<Sent> =>
    send(server, { body: LIST, headers: { "mcp-session-id": session, "mcp-protocol-version": "2025-11-25" } });

  for (const era of ERAS) {
    it(`carries a client's change of mind to the tool that works for it, for a client of ${era}`, async () => {
      const agent: Agent = await connectHttp(era, server);
      const [started, givenUp] = [once(tool, "started"), once(tool, "given up")];
      const control = new AbortController();
      const call = agent.call("wait", {}, control.signal);
      const refused = assert.rejects(call);
      await started;
      control.abort();
      await Promise.all([refused, givenUp]);
      await agent.close();
    });
  }

  it("is opened by initializing only", async () => {
    const answer = await send(server, { body: LIST, headers: { "mcp-protocol-version": "2025-11-25" } });
    assert.equal(answer.status, 400);
    assert.equal(answer.headers["mcp-session-id"], undefined);
    assert.equal((await list(await openSession(server))).status, 200);
  });

  it("cannot be guessed: no id is like another", async () => {
    const ids = [await openSession(server), await openSession(server), await openSession(server)];
    assert.equal(new Set(ids.map((id) => id.slice(0, 8))).size, ids.length);
    for (const id of ids) assert.match(id, /^[0-9a-f-]{36}$/);
  });

  it("does not stand in for the token", async () => {
    const id = await openSession(server);
    const answer = await send(server, { body: LIST, headers: { "mcp-session-id": id, authorization: null } });
    assert.equal(answer.status, 401);
  });

  it("ends when its client says so, once", async () => {
    const id = await openSession(server);
    const headers = { "mcp-session-id": id, "mcp-protocol-version": "2025-11-25" };
    assert.equal((await send(server, { method: "DELETE", body: "", headers })).status, 200);
    assert.equal((await send(server, { method: "DELETE", body: "", headers })).status, 404);
    assert.equal((await list(id)).status, 404);
  });

  it(`ends when it was unused the longest and ${MOST} others are open`, async () => {
    const [first, used] = [await openSession(server), await openSession(server)];
    const others: string[] = [];
    for (let opened = 2; opened < MOST; opened += 1) others.push(await openSession(server));
    assert.equal((await list(used)).status, 200);
    assert.equal((await list(first)).status, 200);
    const [oldest = "", ...rest] = others;
    rest.push(await openSession(server));
    assert.equal((await list(oldest)).status, 404);
    for (const id of [first, used, ...rest]) assert.equal((await list(id)).status, 200);
  });
});
