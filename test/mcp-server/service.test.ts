import assert from "node:assert/strict";
import { connect } from "node:net";

import { EXIT_CODES } from "../../cli/exit-codes.ts";
import { HTTP_STATUS } from "../../mcp-server/http-answer.ts";
import { operations } from "../../shared/index.ts";
import { makeStaleLibrary } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";
import { connectHttp } from "./http-server.ts";
import { ask, sendRaw, startService, type ServiceServer } from "./service-server.ts";

/** A service that looks after two directories with a deleted film each. */
async function scene(words: readonly string[] = []) {
  const library = makeStaleLibrary("films", "shows");
  const config = { libraries: [{ name: "movies", roots: [library] }] };
  const server = await startService({ words, config });
  return { library, server, before: treeState(library) };
}

/** The addresses that need the token, each with a method it knows. */
const GUARDED = [
  "GET /api/v1/list",
  "POST /api/v1/apply",
  "GET /cache/stats",
  "GET /cache/directories",
  "GET /cache/directories/x",
  "DELETE /cache/directories/x?remove_files=true",
  "POST /cache/directories/x/register",
  "POST /cache/cleanup",
  "POST /cache/stop-scheduler",
  "GET /openapi.json",
  "GET /metrics",
  "GET /nothing",
  "POST /mcp",
];
const OPEN = ["GET /health", "GET /ready", "GET /docs", "GET /docs/start.js", "GET /docs/swagger-ui.css"];

describe("the service", () => {
  let here: Awaited<ReturnType<typeof scene>>;
  let server: ServiceServer;

  before(async () => {
    here = await scene();
    ({ server } = here);
  });

  it("answers 401 without the token wherever more than a stranger's knowledge is to be had", async () => {
    for (const line of GUARDED) {
      for (const authorization of [null, "Bearer", `Bearer ${server.token}x`, `Basic ${server.token}`]) {
        const { status, headers } = await ask(server, line, { headers: { authorization } });
        assert.equal(status, 401, line);
        assert.equal(headers["www-authenticate"], "Bearer");
      }
    }
    assert.equal(
      (await ask(server, `GET /metrics?access_token=${server.token}`, { headers: { authorization: null } })).status,
      401,
    );
  });

  it("answers 403 under a name that is not ours, and to pages of others, at every address", async () => {
    for (const line of [...GUARDED, ...OPEN]) {
      for (const headers of [
        { host: "evil.example.com" },
        { host: "127.0.0.1.nip.io" },
        { origin: "http://evil.example.com" },
        { origin: "null" },
      ]) {
        assert.equal((await ask(server, line, { headers })).status, 403, `${line} ${JSON.stringify(headers)}`);
      }
    }
  });

  it("says to strangers that it is well and ready, and not a word more", async () => {
    const stranger = { headers: { authorization: null } };
    assert.equal((await ask(server, "GET /health", stranger)).text, '{"status":"ok"}\n');
    assert.equal((await ask(server, "GET /ready", stranger)).text, '{"status":"ready"}\n');
  });

  it("answers 404 to what is not there, 405 with what can be used instead, 400 to what is no path", async () => {
    for (const path of [
      "/",
      "/api/v1/",
      "/api/v1/nothing",
      "/api/v1/list/",
      "/API/v1/list",
      "/cache",
      "/mcp/",
      "//api/v1/list",
      "/api/v1/__proto__",
      "/constructor",
    ]) {
      assert.equal((await ask(server, `GET ${path}`)).status, 404, path);
    }
    for (const [line, allow] of [
      ["GET /api/v1/apply", "POST"],
      ["DELETE /api/v1/list", "GET, POST"],
      ["PUT /cache/stats", "GET"],
      ["POST /health", "GET"],
      ["GET /cache/cleanup", "POST"],
      ["OPTIONS /api/v1/apply", "POST"],
    ] as const) {
      const { status, headers } = await ask(server, line);
      assert.deepEqual([status, headers["allow"]], [405, allow], line);
    }
    const auth = `Host: 127.0.0.1\r\nAuthorization: Bearer ${server.token}\r\nConnection: close\r\n\r\n`;
    for (const target of ["http://127.0.0.1/api/v1/list", "*", "/api/v1/list#x", "/a|b", "/api\\v1\\list"]) {
      assert.equal(await sendRaw(server, `GET ${target} HTTP/1.1\r\n${auth}`), 400, target);
    }
  });

  it("refuses a body that is not JSON, is too large, or is where none belongs", async () => {
    const type = { "content-type": "text/plain" };
    assert.equal((await ask(server, "POST /api/v1/list", { body: {}, headers: type })).status, 415);
    const { port } = new URL(server.origin);
    const head = `POST /api/v1/list HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${server.token}\r\nConnection: close\r\nContent-Type: application/json\r\n`;
    const limit = 1024 * 1024;
    assert.equal(await sendRaw(server, `${head}Content-Length: ${limit + 1}\r\n\r\n`), 413);
    const body = `{"paths":["${"x".repeat(limit)}"]}`;
    const chunk = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    assert.equal(await sendRaw(server, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}`), 413);
    assert.equal((await ask(server, "POST /cache/cleanup", { body: { cache: "x" } })).status, 400);
    for (const text of ["{", "[]", "null", '"x"']) {
      const raw = `${head}Content-Length: ${text.length}\r\n\r\n${text}`;
      assert.equal(await sendRaw(server, raw), 400, text);
    }
  });

  it("offers every operation of the registry, and those that only read also by GET", async () => {
    for (const { name, effect } of operations) {
      const wrong = await ask(server, `POST /api/v1/${name}`, { body: { nonsense: 1 } });
      assert.equal(wrong.status, 400, `${name}: ${wrong.text}`);
      assert.match(wrong.text, /"code":"invalid_input".*nonsense/);
      assert.equal((await ask(server, `GET /api/v1/${name}?nonsense=1`)).status, effect === "read" ? 400 : 405, name);
    }
  });

  it("takes input from parameters: numbers, truths, and lists that repeat theirs", async () => {
    const two = await ask(
      server,
      `GET /api/v1/cleanup?paths=${here.library}/films&paths=${here.library}/shows&changed=false&maxEntries=1&problem=orphaned`,
    );
    assert.deepEqual([two.status, two.json["entries"], two.json["status"]], [200, 1, "ready"], two.text);
    for (const bad of [
      "maxEntries=one",
      "maxEntries=1&maxEntries=2",
      "changed=maybe",
      "problem=nothing",
      "allow=stale_ratio",
    ]) {
      assert.equal((await ask(server, `GET /api/v1/cleanup?${bad}`)).status, 400, bad);
    }
  });

  it("shows names of files with no character that could pass for something else", async () => {
    const { status, text } = await ask(server, "POST /api/v1/cleanup", { body: { paths: ["/no\u202ewhere\n"] } });
    assert.equal(status, 403);
    assert.doesNotMatch(text.trimEnd(), /[\p{Cc}\p{Cf}]/u);
  });

  it("applies a plan only with its sentence, once, and takes it back likewise", async () => {
    const { json: plan } = await ask(server, "POST /api/v1/cleanup", { body: {} });
    const { plan: id, acknowledge } = plan;
    for (const body of [{ plan: id }, { plan: id, acknowledge: "yes" }, { plan: id, acknowledge: `${acknowledge}.` }]) {
      assert.equal((await ask(server, "POST /api/v1/apply", { body })).status, 400);
    }
    assert.deepEqual(treeState(here.library), here.before);
    const applied = await ask(server, "POST /api/v1/apply", { body: { plan: id, acknowledge } });
    assert.deepEqual([applied.status, applied.json["status"], applied.json["entries"]], [200, "complete", 2]);
    assert.deepEqual((await ask(server, "POST /api/v1/apply", { body: { plan: id, acknowledge } })).json, applied.json);
    const { runs } = (await ask(server, `GET /api/v1/history?run=${String(applied.json["run"])}`)).json as {
      runs: { run: string; acknowledge: string }[];
    };
    const undone = await ask(server, "POST /api/v1/undo", {
      body: { run: runs[0]?.run, acknowledge: runs[0]?.acknowledge },
    });
    assert.deepEqual([undone.status, undone.json["restored"]], [200, 2]);
    assert.deepEqual(treeState(here.library), here.before);
    assert.equal((await ask(server, "POST /api/v1/apply", { body: { plan: "plan-none", acknowledge } })).status, 404);
  });

  it("is the same server for agents, at /mcp", async () => {
    for (const era of ["2025", "2026"] as const) {
      const agent = await connectHttp(era, server);
      assert.equal((await agent.call("stats")).structuredContent?.["caches"], 2);
      await agent.close();
    }
  });

  it("logs a line of JSON a request and an operation, without the token or what stood in the query", async () => {
    await ask(server, "GET /api/v1/list?paths=movies");
    const text = JSON.stringify(server.log);
    assert.ok(!text.includes(server.token));
    assert.ok(!text.includes("paths=movies"));
    assert.ok(
      server.log.some(
        (line) => line.message === "operation" && line["operation"] === "stats" && line["face"] === "mcp",
      ),
    );
    assert.ok(
      server.log.some(
        (line) => line.message === "request" && line["path"] === "/api/v1/list" && line["status"] === 200,
      ),
    );
  });

  it("ends with 0 when it is told to, and says so", async () => {
    assert.equal(await server.stop(), 0);
    assert.equal(server.log.at(-1)?.message, "stopped");
  });
});

describe("the statuses of HTTP", () => {
  it("are there for every outcome that has an exit code, and success is one where the exit code says so", () => {
    assert.deepEqual(Object.keys(HTTP_STATUS).toSorted(), Object.keys(EXIT_CODES).toSorted());
    for (const [outcome, status] of Object.entries(HTTP_STATUS)) {
      assert.equal(status === 200, ["ok", "stale", "partial"].includes(outcome), outcome);
    }
  });
});

describe("a service that only reads", () => {
  it("offers nothing that changes a cache, and describes nothing that does", async () => {
    const { server, library, before } = await scene(["--read-only"]);
    const { plan, acknowledge } = (await ask(server, "POST /api/v1/cleanup")).json;
    assert.equal((await ask(server, "POST /api/v1/apply", { body: { plan, acknowledge } })).status, 404);
    const { paths } = (await ask(server, "GET /openapi.json")).json as { paths: object };
    const offered = operations.filter(({ effect }) => effect === "read").map(({ name }) => name);
    assert.deepEqual(
      Object.keys(paths).filter((path) => path.startsWith("/api/")),
      offered.map((name) => `/api/v1/${name}`),
    );
    assert.deepEqual(treeState(library), before);
  });
});

describe("a service with --confirm", () => {
  it("changes nothing over REST, where nobody can be asked", async () => {
    const { server, library, before } = await scene(["--confirm"]);
    const { plan, acknowledge } = (await ask(server, "POST /api/v1/cleanup")).json;
    const refused = await ask(server, "POST /api/v1/apply", { body: { plan, acknowledge } });
    assert.deepEqual([refused.status, (refused.json["error"] as { code: string }).code], [403, "forbidden"]);
    assert.deepEqual(treeState(library), before);
  });
});

describe("too many requests to the service", () => {
  it("are answered 429, and strangers' cannot use up those with the token", async () => {
    const { server } = await scene();
    const stranger = { headers: { authorization: null } };
    let answer = await ask(server, "GET /health", stranger);
    for (let sent = 1; answer.status === 200 && sent < 20_000; sent += 1)
      answer = await ask(server, "GET /health", stranger);
    assert.deepEqual([answer.status, answer.headers["retry-after"]], [429, "60"]);
    assert.equal((await ask(server, "GET /api/v1/history")).status, 200);
  });
});

const SHELVES = Array.from({ length: 400 }, (_, at) => `shelf ${at}`);

/** A service with a plan for so many directories that applying it takes a while. */
async function busyScene(words: readonly string[]) {
  const library = makeStaleLibrary(...SHELVES);
  const config = { libraries: [{ name: "movies", roots: [library] }], guards: { staleRatio: 1 } };
  const server = await startService({ words, config });
  const { plan, acknowledge, entries } = (await ask(server, "POST /api/v1/cleanup")).json;
  assert.equal(entries, SHELVES.length);
  return { library, config, server, body: { plan, acknowledge } };
}

/** The newest run as history has it, once there is one that is as it is wanted. */
async function newestRun(server: ServiceServer, isWanted: (status: string) => boolean) {
  for (;;) {
    const { runs } = (await ask(server, "GET /api/v1/history")).json as {
      runs: { status: string; entries: number }[];
    };
    if (runs[0] !== undefined && isWanted(runs[0].status)) return runs[0];
  }
}

describe("a service that stops", () => {
  it("stops work that takes too long at a safe point, says so to who waits for it, and records what was done", async () => {
    const { library, config, server, body } = await busyScene(["--grace", "0"]);
    const applying = ask(server, "POST /api/v1/apply", { body });
    await newestRun(server, () => true);
    const ended = server.stop();
    const { status, json } = await applying;
    assert.equal(await ended, 0);
    assert.deepEqual([status, json["status"]], [503, "cancelled"], JSON.stringify(json));
    const again = await startService({ state: server.state, config });
    const run = await newestRun(again, () => true);
    assert.equal(run.status, "cancelled");
    assert.ok(run.entries < SHELVES.length);
    assert.ok(!treeState(library).some((line) => line.includes(".lock")));
  });

  it("lets work end that does so in time, while it takes no more", async () => {
    const { server, body } = await busyScene(["--grace", "60"]);
    const applying = ask(server, "POST /api/v1/apply", { body });
    await newestRun(server, () => true);
    const ended = server.stop();
    const { status, json } = await applying;
    assert.deepEqual([status, json["status"], json["entries"]], [200, "complete", SHELVES.length]);
    assert.equal(await ended, 0);
    await assert.rejects(ask(server, "GET /health"), /ECONNREFUSED/);
  });

  it("ends at once when it is told a second time", async () => {
    const { server, body } = await busyScene(["--grace", "60"]);
    const applying = ask(server, "POST /api/v1/apply", { body });
    await newestRun(server, () => true);
    const ended = server.stop();
    while (!server.log.some(({ message }) => message === "stopping")) await new Promise(setImmediate);
    server.process.kill("SIGTERM");
    await assert.rejects(applying);
    assert.equal(await ended, EXIT_CODES.interrupted);
  });

  it("is not kept from it by agents that stay connected", async () => {
    const { server } = await scene();
    const agent = await connectHttp("2025", server);
    await agent.call("stats");
    assert.equal(await server.stop(), 0);
    await agent.close();
  });
});

describe("a caller that goes away", () => {
  it("has what they asked for stopped at the next safe point", async () => {
    const { server, body } = await busyScene([]);
    const { hostname, port } = new URL(server.origin);
    const text = JSON.stringify(body);
    const head = `POST /api/v1/apply HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${server.token}\r\n`;
    const socket = connect(Number(port), hostname);
    socket.write(`${head}Content-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
    await newestRun(server, () => true);
    socket.destroy();
    const run = await newestRun(server, (status) => status !== "running");
    assert.equal(run.status, "cancelled");
    assert.ok(run.entries < SHELVES.length, String(run.entries));
  });
});
