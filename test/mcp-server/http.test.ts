import assert from "node:assert/strict";
import { chmodSync, existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { copyLibrary } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { makeStaleLibrary } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";
import { errorOf, ERAS, type Agent } from "./agent.ts";
import { connectHttp, startHttp } from "./http-server.ts";
import { bodies, openSession, send } from "./http-client.ts";

const MATRIX = "movies/The Matrix (1999)/The Matrix (1999) - 1080p.mkv";
const LIMIT = 1024 * 1024;

/** A library with one deleted film, a server for it, and a plan that was shown but not applied. */
async function makeDesk() {
  const library = copyLibrary();
  rmSync(join(library, MATRIX));
  const server = await startHttp(["--root", library]);
  const agent = await connectHttp("2026", server);
  const { plan, acknowledge } = (await agent.call("cleanup")).structuredContent ?? {};
  await agent.close();
  return { library, server, plan: { plan, acknowledge }, before: treeState(library) };
}

describe("a request to the HTTP server", () => {
  let desk: Awaited<ReturnType<typeof makeDesk>>;
  let refused = 0;
  let session = "";

  before(async () => {
    desk = await makeDesk();
    session = await openSession(desk.server);
  });

  /** Sends each body, all of which would apply the plan if they were let in; all must get this status. */
  async function mustRefuse(status: number, parts: Parameters<typeof send>[1]): Promise<void> {
    for (const [what, body] of Object.entries(bodies(desk.plan, session))) {
      const answer = await send(desk.server, { ...body, ...parts, headers: { ...body.headers, ...parts.headers } });
      assert.equal(answer.status, status, `${what} with ${JSON.stringify(parts.headers)}: ${answer.text}`);
      refused += 1;
    }
  }

  describe("without the right token", () => {
    const wrong = (token: string): (string | null)[] => [
      null,
      "",
      "Bearer",
      "Bearer ",
      "Bearer x",
      token,
      `Basic ${token}`,
      `Bearer ${token.slice(0, -1)}`,
      `Bearer ${token.slice(1)}`,
      `Bearer ${token}x`,
      `Bearer ${token}${token}`,
      `Bearer ${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`,
      `Bearer ${token.toUpperCase()}`,
      `Bearer ${"A".repeat(token.length)}`,
    ];

    it("is answered 401 and says how to authenticate, whatever else it carries", async () => {
      for (const authorization of wrong(desk.server.token)) await mustRefuse(401, { headers: { authorization } });
      const { headers } = await send(desk.server, { headers: { authorization: null } });
      assert.equal(headers["www-authenticate"], "Bearer");
    });

    it("is answered 401 when the token stands anywhere else", async () => {
      const { token } = desk.server;
      await mustRefuse(401, { path: `/mcp?access_token=${token}`, headers: { authorization: null } });
      await mustRefuse(401, { headers: { authorization: null, cookie: `token=${token}`, "x-api-key": token } });
    });
  });

  describe("from a page or under a name that is not ours", () => {
    const FOREIGN = [
      "evil.example.com",
      "localhost.evil.example.com",
      "127.0.0.1.nip.io",
      "127.0.0.2",
      "0.0.0.0",
      "[::2]",
    ];

    it("is answered 403 for its Host alone, with the right token", async () => {
      for (const host of FOREIGN) await mustRefuse(403, { headers: { host } });
    });

    it("is answered 403 for its Origin alone, with the right token and Host", async () => {
      for (const origin of [...FOREIGN.map((name) => `http://${name}`), "null", "file://", "localhost", "garbage"]) {
        await mustRefuse(403, { headers: { origin } });
      }
    });

    it("is let in from a page of this machine, and from no page at all", async () => {
      for (const origin of ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:8080", null]) {
        assert.equal((await send(desk.server, { headers: { origin } })).status, 200, String(origin));
      }
      const { port } = new URL(desk.server.url);
      for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, "localhost"]) {
        assert.equal((await send(desk.server, { headers: { host } })).status, 200, host);
      }
    });
  });

  it("that is not JSON is answered 415, as a page's form would be", async () => {
    const types = [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "application/jsonp",
      "text/json",
      "",
    ];
    for (const type of types) await mustRefuse(415, { headers: { "content-type": type } });
    await mustRefuse(415, { headers: { "content-type": null } });
    const charset = await send(desk.server, { headers: { "content-type": "application/json; charset=utf-8" } });
    assert.equal(charset.status, 200);
  });

  it("that is too large is answered 413, with its length announced or not", async () => {
    const padding = " ".repeat(LIMIT);
    for (const chunked of [false, true]) {
      for (const body of Object.values(bodies(desk.plan, session))) {
        const answer = await send(desk.server, { ...body, body: `${padding}${body.body}`, chunked });
        assert.equal(answer.status, 413, answer.text);
        refused += 1;
      }
    }
  });

  it("to another path is answered 404, and with another method 405", async () => {
    for (const path of [
      "/",
      "/mcp/",
      "/mcp/x",
      "/MCP",
      "/sse",
      "/.well-known/oauth-protected-resource",
      "/mcp%2f",
      "//mcp",
    ]) {
      await mustRefuse(404, { path });
    }
    for (const method of ["GET", "DELETE", "PUT", "PATCH", "OPTIONS"]) {
      const answer = await send(desk.server, { method, body: "" });
      assert.equal(answer.status, 405, `${method}: ${answer.text}`);
      refused += 1;
    }
  });

  it("in a session nobody opened is answered 404", async () => {
    const { body, headers } = bodies(desk.plan, session).legacy;
    for (const id of ["x", crypto.randomUUID(), `${session}x`, session.slice(1)]) {
      for (const method of ["POST", "GET", "DELETE"]) {
        const message = method === "POST" ? body : "";
        const answer = await send(desk.server, {
          method,
          body: message,
          headers: { ...headers, "mcp-session-id": id },
        });
        assert.equal(answer.status, 404, `${method} ${id}: ${answer.text}`);
        refused += 1;
      }
    }
  });

  it("that is not a message is refused and ends nothing", async () => {
    for (const body of ["", "{", "null", "[]", "7", '"x"', '{"jsonrpc":"1.0"}', "\u0000", '{"jsonrpc":"2.0","id":1}']) {
      const answer = await send(desk.server, { body });
      assert.equal(answer.status, 400, `${body}: ${answer.text}`);
      refused += 1;
    }
    assert.equal((await send(desk.server, {})).status, 200);
  });

  describe("that was refused", () => {
    it("changed nothing: none of more than 60 did, and the plan is still there to be applied", async () => {
      assert.ok(refused > 60, String(refused));
      assert.deepEqual(treeState(desk.library), desk.before);
      const agent = await connectHttp("2025", desk.server);
      assert.deepEqual((await agent.call("history")).structuredContent?.["runs"], []);
      for (const body of Object.values(bodies(desk.plan, session))) {
        const { status, text } = await send(desk.server, body);
        assert.equal(status, 200, text);
        assert.match(text, /"entries":1\b/);
      }
      assert.notDeepEqual(treeState(desk.library), desk.before);
      await agent.close();
    });
  });
});

describe("too many requests to the HTTP server", () => {
  it("are answered 429 with the time to wait, from then on", async () => {
    const server = await startHttp(["--root", copyLibrary()]);
    const wanted = { path: "/nothing", body: "" };
    let answer = await send(server, wanted);
    for (let sent = 1; answer.status === 404 && sent < 20_000; sent += 1) answer = await send(server, wanted);
    assert.equal(answer.status, 429);
    assert.equal(answer.headers["retry-after"], "60");
  });
});

describe("the token file", () => {
  it("is made when it is missing, for its owner only, and used again", async () => {
    const file = join(makePlace("token"), "token");
    const first = await startHttp(["--root", copyLibrary(), "--token-file", file]);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.match(first.token, /^[\w-]{43}$/);
    assert.equal(await first.stop(), 0);
    const second = await startHttp(["--root", copyLibrary(), "--token-file", file]);
    assert.equal(second.token, first.token);
  });

  for (const mode of [0o644, 0o640, 0o604, 0o660, 0o606]) {
    it(`is refused when others can read it: ${mode.toString(8)}`, async () => {
      const file = join(makePlace("token"), "token");
      writeFileSync(file, "a".repeat(43));
      chmodSync(file, mode);
      await assert.rejects(startHttp(["--root", copyLibrary(), "--token-file", file]), /can be read by others/);
    });
  }

  it("is refused when it holds too little, or its directory is missing", async () => {
    const place = makePlace("token");
    writeFileSync(join(place, "short"), "secret", { mode: 0o600 });
    const start = (name: string) => startHttp(["--root", copyLibrary(), "--token-file", join(place, name)]);
    await assert.rejects(start("short"), /holds no token of at least 16 characters/);
    await assert.rejects(start("none/token"), /none\/token: ENOENT/);
    assert.ok(!existsSync(join(place, "none")));
  });
});

for (const era of ERAS) {
  describe(`an agent of ${era} over HTTP`, () => {
    it("goes from statistics to undo, and the library is as it was, byte for byte", async () => {
      const { library, server, before: untouched } = await makeDesk();
      const agent = await connectHttp(era, server);
      assert.equal((await agent.call("stats")).structuredContent?.["totalFiles"], 43);
      const { plan, acknowledge } = (await agent.call("cleanup")).structuredContent ?? {};
      assert.equal(errorOf(await agent.call("apply", { plan, acknowledge: "yes" }))["code"], "invalid_input");
      assert.deepEqual(treeState(library), untouched);
      const report = (await agent.call("apply", { plan, acknowledge })).structuredContent;
      assert.equal(report?.["entries"], 1);
      assert.notDeepEqual(treeState(library), untouched);
      assert.deepEqual((await agent.call("apply", { plan, acknowledge })).structuredContent, report);
      const { runs } = (await agent.call("history")).structuredContent as { runs: Record<string, unknown>[] };
      const undone = await agent.call("undo", { run: runs[0]?.["run"], acknowledge: runs[0]?.["acknowledge"] });
      assert.equal(undone.structuredContent?.["restored"], 1);
      assert.deepEqual(treeState(library), untouched);
      assert.equal(await server.stop(), 0);
      await agent.close();
    });

    it("has its person asked, and a no changes nothing", async () => {
      const { library, server, plan, before: untouched } = await makeDesk();
      const asked: string[] = [];
      const agent = await connectHttp(era, server, (question) => {
        asked.push(question);
        return { action: asked.length === 1 ? "decline" : "accept", content: { confirm: true } };
      });
      assert.equal(errorOf(await agent.call("apply", plan))["code"], "forbidden");
      assert.deepEqual(treeState(library), untouched);
      assert.equal((await agent.call("apply", plan)).structuredContent?.["entries"], 1);
      assert.equal(asked.length, 2);
      for (const question of asked) assert.ok(question.includes(String(plan["acknowledge"])), question);
      await agent.close();
    });

    it("has its change made after the changes of others, one at a time", async () => {
      const names = Array.from({ length: 8 }, (_, at) => `shelf ${at}`);
      const library = makeStaleLibrary(...names);
      const server = await startHttp(["--root", library]);
      const agents = await Promise.all(names.map(() => connectHttp(era, server)));
      const plans = await plansOf(
        agents,
        names.map((name) => join(library, name)),
      );
      const reports = await Promise.all(agents.map((agent, at) => agent.call("apply", plans[at])));
      assert.deepEqual(
        reports.map(({ structuredContent, isError }) => [isError ?? false, structuredContent?.["entries"]]),
        names.map(() => [false, 1]),
      );
      const times = reports.map(
        ({ structuredContent }) =>
          [timeOf(structuredContent, "startedAt"), timeOf(structuredContent, "endedAt")] as const,
      );
      const [first, ...others] = times.toSorted(([one], [other]) => one - other);
      let free = first?.[1] ?? Number.NaN;
      for (const [startedAt, endedAt] of others) {
        assert.ok(startedAt >= free, JSON.stringify(times));
        free = endedAt;
      }
      await Promise.all(agents.map((agent) => agent.close()));
    });
  });
}

function timeOf(report: Record<string, unknown> | undefined, when: "startedAt" | "endedAt"): number {
  return Date.parse(String(report?.[when]));
}

async function plansOf(agents: readonly Agent[], paths: readonly string[]): Promise<Record<string, unknown>[]> {
  const plans: Record<string, unknown>[] = [];
  for (const [at, agent] of agents.entries()) {
    const { plan, acknowledge } = (await agent.call("cleanup", { paths: [paths[at]] })).structuredContent ?? {};
    plans.push({ plan, acknowledge });
  }
  return plans;
}
