import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { join } from "node:path";

import { openContainerEngine } from "../../../shared/caches/engine/container-api.ts";
import { findCaches } from "../../../shared/caches/engine/container-cache.ts";
import { measureDirectory } from "../../../shared/caches/engine/container-measure.ts";
import { makePlace } from "../../support/place.ts";

const ID = "a".repeat(64);
const INSPECTED = {
  Id: ID,
  Name: "/one",
  Image: "sha256:0",
  State: { Running: true, Paused: false, StartedAt: "2026-01-01T00:00:00Z", Pid: 0 },
  Config: { Labels: {} },
  HostConfig: { NetworkMode: "none" },
  Mounts: [],
};

describe("a container engine that is not well", () => {
  const servers: Server[] = [];
  after(() => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  async function serve(listener: RequestListener): Promise<string> {
    const socket = join(makePlace("engine"), "socket");
    const server = createServer(listener);
    servers.push(server);
    server.listen(socket);
    await once(server, "listening");
    return socket;
  }

  const open = (endpoint: string, limitSeconds = 5, signal = new AbortController().signal) =>
    openContainerEngine({ endpoint, limitSeconds, signal });

  it("is unavailable, with where it was looked for and what to do", async () => {
    const nowhere = join(makePlace(), "docker.sock");
    await assert.rejects(open(nowhere), (error: Error & { hint?: string; code?: string }) => {
      assert.equal(error.code, "unavailable");
      assert.ok(error.message.includes(nowhere), error.message);
      assert.match(error.hint ?? "", /Docker or Podman/);
      return true;
    });
    await assert.rejects(open("tcp://127.0.0.1:1"), { code: "unavailable", message: /ECONNREFUSED/ });
  });

  it("does not send a question elsewhere because of DOCKER_HOST", async () => {
    const { DOCKER_HOST } = process.env;
    process.env["DOCKER_HOST"] = "tcp://127.0.0.1:1";
    try {
      const engine = await open(await serve((_, response) => response.end("[]")));
      assert.deepEqual(await engine.list({ names: ["one"] }), []);
    } finally {
      if (DOCKER_HOST === undefined) delete process.env["DOCKER_HOST"];
      else process.env["DOCKER_HOST"] = DOCKER_HOST;
    }
  });

  it("is unavailable when it accepts and never answers, and interrupted when its caller gives up", async () => {
    const silent = await serve(() => undefined);
    await assert.rejects(open(silent, 1), { code: "unavailable", message: /within 1 s/ });
    const caller = new AbortController();
    const opened = open(silent, 60, caller.signal);
    caller.abort();
    await assert.rejects(opened, { code: "interrupted" });
  });

  it("takes no address that is none", async () => {
    for (const endpoint of ["", "docker.sock", "ssh://host", "tcp://host", "https://host:2376", "tcp://a b:1"]) {
      await assert.rejects(open(endpoint), { code: "invalid_input" }, endpoint);
    }
  });

  const answers: Readonly<Record<string, readonly [status: number, code: string]>> = {
    "does not know the container": [404, "not_found"],
    "says that it is paused": [409, "blocked"],
    "asks who we are": [401, "forbidden"],
    "forbids it": [403, "forbidden"],
    fails: [500, "unavailable"],
    "is overloaded": [503, "unavailable"],
  };
  for (const [what, [status, code]] of Object.entries(answers)) {
    it(`is heard when it ${what}`, async () => {
      const socket = await serve(({ url }, response) => {
        response.statusCode = url === "/_ping" ? 200 : status;
        response.end(JSON.stringify({ message: "no" }));
      });
      const engine = await open(socket);
      await assert.rejects(engine.inspect(ID), { code });
      await assert.rejects(engine.list({ labels: ["a"] }), { code });
      await assert.rejects(engine.run(ID, ["true"]), { code });
    });
  }

  it("is never taken for an empty cache, whatever goes wrong while it is measured", async () => {
    const failures: Readonly<Record<string, RequestListener>> = {
      "the program cannot be started": (_, response) => void response.writeHead(500).end('{"message":"no"}'),
      "the connection is cut": ({ socket }) => void socket.destroy(),
      "half an answer comes": (_, response) => {
        response.writeHead(200, { "content-length": 100 });
        response.write('{"Id"');
        response.socket?.end();
      },
    };
    for (const [what, listener] of Object.entries(failures)) {
      const socket = await serve((request, response) => {
        if (request.url === "/_ping") response.end("OK");
        else if (request.url === `/containers/${ID}/json`) response.end(JSON.stringify(INSPECTED));
        else if (request.url?.startsWith("/containers/json") === true) response.end("[]");
        else listener(request, response);
      });
      const engine = await open(socket, 2);
      const container = await engine.inspect(ID);
      const look = { signal: new AbortController().signal, limitSeconds: 2, user: "0" };
      await assert.rejects(measureDirectory(engine, container, "/srv/cache", look), { code: "unavailable" }, what);
      await assert.rejects(findCaches(engine, container, {}, look), { code: "unavailable" }, what);
      const archived = measureDirectory(engine, container, "/srv/cache", { ...look, ways: ["archive"] });
      await assert.rejects(archived, { code: "unavailable" }, what);
    }
  });

  it("is unavailable when it answers something else", async () => {
    for (const body of ["", "<html>", "null", "{}", "[{}]", '{"Id":"x"}', '[{"Id":"x","Labels":{}}]', "[[]]"]) {
      const engine = await open(await serve((_, response) => response.end(body)));
      await assert.rejects(engine.list({ labels: ["a"] }), { code: "unavailable" }, body);
      await assert.rejects(engine.inspect(ID), { code: "unavailable" }, body);
      await assert.rejects(engine.processes(ID), { code: "unavailable" }, body);
    }
  });

  it("is unknown when its archive ends in the middle", async () => {
    const header = Buffer.alloc(512);
    const socket = await serve((request, response) => {
      if (request.url === "/_ping") response.end("OK");
      else if (request.url === `/containers/${ID}/json`) response.end(JSON.stringify(INSPECTED));
      else response.end(header.subarray(0, 300));
    });
    const engine = await open(socket);
    const look = { signal: new AbortController().signal, limitSeconds: 5, user: "0", ways: ["archive"] as const };
    const outcome = await measureDirectory(engine, await engine.inspect(ID), "/srv/cache", look).catch(
      (error) => error,
    );
    assert.ok("code" in outcome ? outcome.code === "unavailable" : outcome.state === "unknown", String(outcome));
  });
});
