import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import { NOTICES } from "../../shared/service-settings.ts";
import { Configuration, parse, type Operation, type Outcome } from "../../shared/index.ts";
import { cleanup } from "../../shared/operations/cleanup.ts";
import { apply } from "../../shared/operations/apply.ts";
import { makeWebhooks } from "../../mcp-server/webhooks.ts";
import type { Face } from "../../mcp-server/work.ts";
import { failsWith } from "../support/runs.ts";

interface Received {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const servers: Server[] = [];

after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/** A receiver that answers each message with what `status` says; `undefined`: not at all. */
async function receive(status: (count: number) => number | undefined) {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (part: Buffer) => (body += part.toString()));
    request.on("end", () => {
      received.push({ url: request.url ?? "", headers: request.headers, body });
      const answer = status(received.length);
      if (answer === undefined) return;
      response.writeHead(answer, answer >= 300 && answer < 400 ? { location: "/elsewhere" } : {});
      response.end();
    });
  }).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return { received, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` };
}

function webhooksTo(
  url: string,
  parts: { events?: (typeof NOTICES)[number][]; secret?: string; timeoutMs?: number } = {},
) {
  const log: Readonly<Record<string, unknown>>[] = [];
  const webhooks = makeWebhooks([{ url, events: parts.events ?? [...NOTICES] }], {
    secret: parts.secret,
    log: (message, fields) => log.push({ message, ...fields }),
    backoffMs: 1,
    timeoutMs: parts.timeoutMs ?? 5000,
  });
  return { webhooks, log };
}

/** Resolves once so many messages were delivered or given up. */
async function settled({ counts }: ReturnType<typeof makeWebhooks>, number: number): Promise<void> {
  while (counts.delivered + counts.failed < number) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe("a webhook", () => {
  it("is told by a POST of JSON, signed with the secret, which itself is not sent", async () => {
    const { url, received } = await receive(() => 204);
    const secret = `whsec_${Buffer.from("a secret of the operator").toString("base64")}`;
    const { webhooks } = webhooksTo(url, { secret });
    webhooks.tell("quota", { cache: "downloads", bytes: 10 });
    await settled(webhooks, 1);
    const [first] = received;
    assert.ok(first);
    const { headers, body } = first;
    const message = JSON.parse(body) as Record<string, unknown>;
    assert.deepEqual([message["type"], message["data"]], ["quota", { cache: "downloads", bytes: 10 }]);
    assert.equal(message["id"], headers["webhook-id"]);
    const signed = `${String(headers["webhook-id"])}.${String(headers["webhook-timestamp"])}.${body}`;
    const expected = createHmac("sha256", "a secret of the operator").update(signed).digest("base64");
    assert.equal(headers["webhook-signature"], `v1,${expected}`);
    assert.ok(!JSON.stringify(received).includes(secret.slice(6)));
  });

  it("is told again, with the same id, until it answers well", async () => {
    const { url, received } = await receive((count) => (count < 4 ? 500 : 200));
    const { webhooks, log } = webhooksTo(url);
    webhooks.tell("failure", {});
    await settled(webhooks, 1);
    assert.equal(received.length, 4);
    assert.equal(new Set(received.map(({ headers }) => headers["webhook-id"])).size, 1);
    assert.deepEqual([webhooks.counts, log], [{ delivered: 1, failed: 0 }, []]);
  });

  it("is given up after five attempts, which is logged without its address", async () => {
    const { url, received } = await receive(() => 503);
    const { webhooks, log } = webhooksTo(`${url}?key=hidden`);
    webhooks.tell("failure", {});
    await settled(webhooks, 1);
    assert.equal(received.length, 5);
    assert.deepEqual(log, [{ message: "webhook failed", webhook: 0, event: "failure", error: "status 503" }]);
    assert.ok(!JSON.stringify(log).includes("hidden"));
  });

  it("is not followed when it redirects", async () => {
    const { url, received } = await receive(() => 302);
    const { webhooks } = webhooksTo(url);
    webhooks.tell("failure", {});
    await settled(webhooks, 1);
    assert.equal(webhooks.counts.failed, 1);
    assert.ok(received.every((message) => message.url === "/hook"));
  });

  it("that does not answer, or is not there, costs its time and nothing else", async () => {
    const silent = await receive(() => undefined);
    for (const url of [silent.url, "http://127.0.0.1:9/"]) {
      const { webhooks, log } = webhooksTo(url, { timeoutMs: 20 });
      webhooks.tell("blocked", {});
      await settled(webhooks, 1);
      assert.deepEqual([webhooks.counts.failed, log.length], [1, 1]);
    }
  });

  it("has at most a hundred messages wait for it", async () => {
    const { url } = await receive(() => undefined);
    const { webhooks, log } = webhooksTo(url);
    for (let count = 0; count < 105; count += 1) webhooks.tell("blocked", { count });
    assert.equal(log.filter(({ error }) => error === "too many messages wait for it").length, 5);
    await webhooks.close();
    assert.deepEqual(webhooks.counts, { delivered: 0, failed: 105 });
  });

  it("is told only of the events it wants", async () => {
    const { url, received } = await receive(() => 200);
    const { webhooks } = webhooksTo(url, { events: ["quota"] });
    for (const event of NOTICES) webhooks.tell(event, {});
    await settled(webhooks, 1);
    await webhooks.close();
    assert.deepEqual(
      received.map(({ body }) => (JSON.parse(body) as { type: string }).type),
      ["quota"],
    );
  });

  it("hears of blocked plans and failed changes, not of what callers did wrong or only looked at", async () => {
    const told: string[] = [];
    const { url, received } = await receive(() => 200);
    const { webhooks } = webhooksTo(url);
    const cases: [Operation, Face, Outcome, string | undefined][] = [
      [cleanup, "rest", "blocked", "blocked"],
      [apply, "mcp", "blocked", "blocked"],
      [apply, "rest", "partial", "failure"],
      [apply, "rest", "internal", "failure"],
      [apply, "schedule", "locked", "failure"],
      [cleanup, "schedule", "unavailable", "failure"],
      [cleanup, "rest", "unavailable", undefined],
      [apply, "rest", "ok", undefined],
      [apply, "rest", "invalid_input", undefined],
      [apply, "rest", "not_found", undefined],
      [apply, "rest", "interrupted", undefined],
      [cleanup, "rest", "stale", undefined],
    ];
    for (const [operation, face, outcome, expected] of cases) {
      webhooks.observe({ operation, face, outcome, seconds: 0, output: { run: "run-1" }, error: undefined });
      if (expected !== undefined) told.push(expected);
    }
    await settled(webhooks, told.length);
    await webhooks.close();
    assert.deepEqual(
      received.map(({ body }) => (JSON.parse(body) as { type: string }).type),
      told,
    );
  });

  it("is refused in the configuration unless it is http or https", () => {
    for (const url of [
      "file:///etc/passwd",
      "ftp://host/",
      "javascript:0",
      "//host/",
      "host",
      "http://a b/",
      "http://user:word@host/",
      "http://",
    ]) {
      const value = { service: { webhooks: [{ url }] } };
      assert.throws(() => parse(Configuration, value, "configuration"), failsWith("invalid_input"), url);
    }
  });
});
