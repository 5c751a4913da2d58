import assert from "node:assert/strict";

import { judgeIdle } from "../../../shared/caches/engine/idle.ts";
import { seeOrchestrator } from "../../../shared/caches/engine/idle-watch.ts";
import { orchestratorKeyFrom } from "../../../shared/caches/engine/orchestrator-key.ts";
import { CacheOpsError } from "../../../shared/index.ts";
import {
  engineLine,
  FLAVOURS,
  startOrchestrator,
  streamLine,
  type Fault,
  type Flavour,
  type StandIn,
} from "../../support/orchestrator.ts";
import { failsWith } from "../../support/runs.ts";
import { clientOf, CONTAINER, OTHER, OURS } from "./engine-place.ts";

const KEY = "key-5f1c09";
const NO_GRACE = { graceMs: 0, maxGapMs: 0 };

/** An orchestrator that knows our container as idle, and one that streams. */
async function startIdle(flavour: Flavour): Promise<StandIn> {
  const standIn = await startOrchestrator(flavour);
  standIn.engines = [engineLine(OURS), engineLine(OTHER)];
  standIn.streams = [streamLine("s1", "started", OTHER)];
  return standIn;
}

const judged = async (standIn: StandIn, key?: string, timeLimit = "30s") => {
  const seen = await seeOrchestrator(clientOf(standIn, { orchestratorKey: key }, { timeLimit }));
  return { seen, idleness: judgeIdle(CONTAINER, seen, undefined, NO_GRACE).idleness };
};

describe("an orchestrator", () => {
  for (const flavour of FLAVOURS) {
    it(`of the kind ${flavour} is found and read, with nothing but two or three GETs and without filters`, async () => {
      const standIn = await startIdle(flavour);
      const client = clientOf(standIn);
      const view = await client.look();
      assert.equal(view.base, flavour === "1.7" || flavour === "go-8000" ? "/api/v1" : "");
      assert.deepEqual(
        view.engines.map(({ containerId }) => containerId),
        [OURS, OTHER],
      );
      assert.deepEqual(
        view.streams.map(({ id, status, containers }) => ({ id, status, containers })),
        [{ id: "s1", status: "started", containers: [OTHER] }],
      );
      assert.equal(judgeIdle(CONTAINER, view, undefined, NO_GRACE).idleness.state, "idle");
      await client.look();
      const lists = [`GET ${view.base}/engines`, `GET ${view.base}/streams`];
      assert.deepEqual(standIn.asked, [...(view.base === "" ? ["GET /api/v1/engines"] : []), ...lists, ...lists]);
    });

    it(`of the kind ${flavour} that guards its lists is read with the key, and only with it`, async () => {
      const standIn = await startIdle(flavour);
      Object.assign(standIn, { key: KEY, isGuarded: true });
      assert.equal((await judged(standIn, KEY)).idleness.state, "idle");
      for (const [key, why] of [
        [undefined, /it wants a key/],
        ["key-wrong", /the key is not the right one/],
      ] as const) {
        const asked = standIn.asked.length;
        const { seen, idleness } = await judged(standIn, key);
        assert.equal(idleness.state, "unknown");
        assert.ok(seen instanceof CacheOpsError && seen.code === "forbidden");
        assert.match(seen.message, why);
        assert.match(seen.hint ?? "", /CACHE_OPS_ORCHESTRATOR_KEY/);
        assert.equal(standIn.asked.length, asked + 1, "a refusal was asked again");
      }
    });

    it(`of the kind ${flavour} that knows no engines at all makes no container idle`, async () => {
      const standIn = await startIdle(flavour);
      Object.assign(standIn, { engines: [], streams: [] });
      const { idleness } = await judged(standIn);
      assert.ok(idleness.state === "unknown" && idleness.code === "not_found");
    });
  }

  it("behind a base path of a proxy is found with apiBase, and elsewhere is not looked", async () => {
    const standIn = await startIdle("go-8000");
    const { host } = new URL(standIn.url);
    assert.equal((await clientOf({ url: `http://${host}/api/` }, {}, { apiBase: "/v1" }).look()).base, "/v1");
    await assert.rejects(
      clientOf(standIn, {}, { apiBase: "/nowhere" }).look(),
      failsWith("unavailable", /\/nowhere\/engines \(404\)/),
    );
  });

  it("that became another version is found again, and is unavailable while it is half of each", async () => {
    const standIn = await startIdle("2025");
    const client = clientOf(standIn);
    assert.equal((await client.look()).base, "");
    standIn.flavour = "1.7";
    assert.equal((await client.look()).base, "/api/v1");
    standIn.faults.set("engines", [{ status: 404 }, { status: 200, body: JSON.stringify([engineLine(OURS)]) }]);
    await assert.rejects(client.look(), failsWith("unavailable", /there are \/engines and no \/streams/));
    assert.equal((await client.look()).base, "/api/v1");
  });

  it("whose clock is wrong is believed by that clock", async () => {
    const HOUR = 3_600_000;
    const quiet = { container: OURS, lookedAt: Date.now(), quietSince: Date.now() - 24 * HOUR };
    const judgeWhen = async (usedBeforeSeconds: number, clockIsBehindMs: number) => {
      const standIn = await startIdle("go-8000");
      const there = Date.now() - clockIsBehindMs;
      const used = engineLine(OURS, { last_stream_usage: new Date(there - usedBeforeSeconds * 1000).toISOString() });
      const headers = { date: new Date(there).toUTCString() };
      standIn.faults.set("engines", [{ status: 200, body: JSON.stringify([used]), headers }]);
      const terms = { graceMs: 60_000, maxGapMs: 60_000 };
      return judgeIdle(CONTAINER, await clientOf(standIn).look(), quiet, terms).idleness.state;
    };
    for (const behind of [0, 5 * HOUR, -5 * HOUR]) {
      assert.equal(await judgeWhen(10, behind), "busy", `${behind}`);
      assert.equal(await judgeWhen(600, behind), "idle", `${behind}`);
    }
  });

  it("may take longer than timers can wait", async () => {
    const view = await clientOf(await startIdle("2025"), {}, { timeLimit: "999999w" }).look();
    assert.equal(view.engines.length, 2);
  });

  it("keeps the two lists in the order that sees a stream which starts in between", async () => {
    const standIn = await startIdle("go-8000");
    standIn.faults.set("engines", [{ delayMs: 50 }]);
    const seen = clientOf(standIn).look();
    await new Promise((resolve) => setTimeout(resolve, 10));
    standIn.streams.push(streamLine("s2", "prebuf", OURS));
    assert.equal(judgeIdle(CONTAINER, await seen, undefined, NO_GRACE).idleness.state, "busy");
  });
});

const page = (status: number, body?: string, headers: Record<string, string> = {}): Fault =>
  body === undefined ? { status, headers } : { status, body, headers };
const engines = JSON.stringify([engineLine(OURS)]);
const streams = JSON.stringify([streamLine("s1", "ended", OURS)]);
const line = (parts: Record<string, unknown>, name: "engine" | "stream") =>
  page(
    200,
    JSON.stringify([{ ...(name === "engine" ? engineLine(OURS) : streamLine("s1", "ended", OURS)), ...parts }]),
  );

/** Answers to either list that are none: what, and what the error has to tell of it. */
const NO_LISTS: readonly (readonly [string, Fault, RegExp])[] = [
  ...[301, 302, 307, 308].map(
    (status) => [`${status}`, page(status, "", { location: "/" }), new RegExp(`${status}`)] as const,
  ),
  ...[201, 202, 203, 206, 400, 402, 405, 409, 410, 418, 451].map(
    (status) => [`${status}`, page(status, "[]"), new RegExp(`answered ${status}`)] as const,
  ),
  ["204", page(204), /answered 204/],
  ["nothing", page(200, ""), /no list/],
  ["null", page(200, "null"), /no list/],
  ["true", page(200, "true"), /no list/],
  ["a number", page(200, "0"), /no list/],
  ["a string", page(200, '"[]"'), /no list/],
  ["{}", page(200, "{}"), /no list of .*"\{\}"/],
  ["the not found of 2025", page(200, '{"error":"not found"}'), /not found/],
  ["the cleared of a stub", page(200, '{"status":"cleared"}'), /cleared/],
  ["the numbers of a stub", page(200, '{"size":0,"hits":0,"misses":0}'), /no list/],
  ["a page of a proxy", page(200, "<!doctype html><title>Login</title>"), /Login/],
  ["a list under another name", page(200, '{"data":[],"total":0}'), /no list/],
  ["lists that are null", page(200, '{"engines":null,"streams":null,"total":0}'), /no list/],
  ["lists that are objects", page(200, '{"engines":{},"streams":{}}'), /no list/],
  ["fewer than it counts", page(200, '{"engines":[],"streams":[],"total":1}'), /total/],
  ["a total that is none", page(200, '{"engines":[],"streams":[],"total":"0"}'), /total/],
  ["a list cut short", page(200, engines.slice(0, -3)), /no list/],
  ["a list with more behind it", page(200, `${streams},`), /no list/],
  ["a list with a comment", page(200, "[] // none"), /no list/],
  ["NaN", page(200, "[NaN]"), /no list/],
  ["a list of lists", page(200, "[[]]"), /an entry \(number 1\)/],
  ["a list of null", page(200, "[null]"), /an entry/],
  ["a list of ids", page(200, `["${OURS}"]`), /an entry/],
  ["a list of {}", page(200, "[{}]"), /an entry/],
  ["a text with odd letters", page(200, "\u202e[]\u0007"), /\\u\{202e\}\[\]\\u\{7\}/],
];

/** Entries that are not understood; one that is may stand before. */
const NO_ENTRIES: Readonly<Record<"engines" | "streams", readonly (readonly [string, Fault])[]>> = {
  engines: [
    ["without a container", page(200, '[{"container_name":"x"}]')],
    ["whose container is null", line({ container_id: null }, "engine")],
    ["whose container is empty", line({ container_id: "" }, "engine")],
    ["whose container is a number", line({ container_id: 12 }, "engine")],
    ["with a draining that is a text", line({ draining: "no" }, "engine")],
    ["with streams that are a number", line({ streams: 0 }, "engine")],
    ["with streams that are objects", line({ streams: [{}] }, "engine")],
    ["with a monitor_count that is a text", line({ monitor_count: "0" }, "engine")],
    ["with a time that is a number", line({ first_seen: 1795248437 }, "engine")],
    ["with a time in words", line({ last_stream_usage: "2 minutes ago" }, "engine")],
    ["behind one that is fine", page(200, `[${engines.slice(1, -1)},{}]`)],
  ],
  streams: [
    ["without a status", page(200, `[{"id":"s","container_id":"${OURS}"}]`)],
    ["whose status is null", line({ status: null }, "stream")],
    ["whose status is empty", line({ status: "" }, "stream")],
    ["whose status is a number", line({ status: 0 }, "stream")],
    ["whose status is a list", line({ status: ["ended"] }, "stream")],
    ["without an id", page(200, '[{"status":"ended"}]')],
    ["whose id is empty", line({ id: "" }, "stream")],
    ["whose container is a number", line({ container_id: 12 }, "stream")],
    ["whose container is an object", line({ container_id: { id: OURS } }, "stream")],
    ["that ended at a number", line({ ended_at: 1795248437 }, "stream")],
    ["that ended at some words", line({ ended_at: "just now" }, "stream")],
    ["behind one that is fine", page(200, `[${streams.slice(1, -1)},null]`)],
  ],
};

describe("an orchestrator that does not answer as it should", () => {
  for (const list of ["engines", "streams"] as const) {
    for (const flavour of FLAVOURS) {
      const cases = [
        ...NO_LISTS,
        ...NO_ENTRIES[list].map(([what, fault]) => [`an entry ${what}`, fault, /an entry/] as const),
      ];
      for (const [what, fault, says] of cases) {
        it(`is unavailable, not empty, when ${flavour} answers ${what} for ${list}`, async () => {
          const standIn = await startIdle(flavour);
          // The first question for engines finds out which version it is.
          const isFound = list === "engines" && (flavour === "2025" || flavour === "go-8083");
          standIn.faults.set(list, isFound ? ["none", fault] : [fault]);
          const { seen, idleness } = await judged(standIn);
          assert.ok(seen instanceof CacheOpsError && seen.code === "unavailable", "something was read of it");
          assert.match(seen.message, says);
          assert.ok(seen.message.includes(`/${list}`) && seen.message.includes(standIn.url), seen.message);
          assert.ok((seen.hint ?? "").length > 0 && seen.message.length < 400);
          assert.deepEqual(idleness, { state: "unknown", code: "unavailable", why: seen.message, hint: seen.hint });
        });
      }
      it(`is unavailable, not empty, when ${flavour} has no ${list}`, async () => {
        const standIn = await startIdle(flavour);
        standIn.faults.set(list, [{ status: 404 }, { status: 404 }]);
        assert.equal((await judged(standIn)).idleness.state, "unknown");
      });
      for (const status of [401, 403]) {
        it(`is forbidden, not empty, when ${flavour} answers ${status} for ${list}`, async () => {
          const standIn = await startIdle(flavour);
          standIn.faults.set(list, [{ status, body: "[]" }]);
          const { seen, idleness } = await judged(standIn, KEY);
          assert.ok(seen instanceof CacheOpsError && seen.code === "forbidden");
          assert.equal(idleness.state, "unknown");
        });
      }
    }

    const passing: readonly (readonly [string, Fault, RegExp])[] = [
      ...[500, 502, 503, 504, 429, 408].map(
        (status) => [`${status}`, page(status, "oh"), new RegExp(`${status} .*oh`)] as const,
      ),
      ["a connection that is cut", "reset", /ECONNRESET/],
      ["half of a list", "cut", /ECONNRESET/],
    ];
    for (const [what, fault, says] of passing) {
      it(`is asked three times, then unavailable, when it answers ${what} for ${list}`, async () => {
        const standIn = await startIdle("go-8000");
        standIn.faults.set(list, [fault, fault, fault]);
        const { seen, idleness } = await judged(standIn);
        assert.ok(seen instanceof CacheOpsError && seen.code === "unavailable");
        assert.match(seen.message, says);
        assert.equal(idleness.state, "unknown");
        assert.equal(standIn.asked.filter((asked) => asked.endsWith(`/${list}`)).length, 3);
      });
      it(`is read when it answers ${what} for ${list} but twice`, async () => {
        const standIn = await startIdle("go-8000");
        standIn.faults.set(list, [fault, fault]);
        assert.equal((await judged(standIn)).idleness.state, "idle");
      });
    }
    it(`is unavailable when it never answers for ${list}`, async () => {
      const standIn = await startIdle("go-8000");
      standIn.faults.set(list, ["hang"]);
      const { seen } = await judged(standIn, undefined, "1s");
      assert.ok(seen instanceof CacheOpsError && seen.code === "unavailable");
      assert.match(seen.message, new RegExp(`no answer to GET /api/v1/${list} within 1s`));
    });
  }

  it("is unavailable, and not asked again, when its answer is larger than any list can be", async () => {
    const standIn = await startIdle("go-8000");
    standIn.faults.set("streams", [{ status: 200, body: `[${" ".repeat(64 * 1024 * 1024)}]` }]);
    await assert.rejects(clientOf(standIn, {}, { timeLimit: "60s" }).look(), failsWith("unavailable", /EMSGSIZE/));
    assert.equal(standIn.asked.length, 2);
  });

  it("that is not there is unavailable, and its address is told", async () => {
    const standIn = await startIdle("go-8000");
    await standIn.stop();
    const { seen } = await judged(standIn);
    assert.ok(seen instanceof CacheOpsError && seen.code === "unavailable");
    assert.match(seen.message, /ECONNREFUSED/);
    assert.match(seen.hint ?? "", /orchestrator\.url/);
  });

  it("that speaks TLS where none is expected, or none where it is, is unavailable", async () => {
    const standIn = await startIdle("go-8000");
    await assert.rejects(
      clientOf({ url: standIn.url.replace("http:", "https:") }).look(),
      failsWith("unavailable", /GET/),
    );
  });

  it("is left when the caller gives up, and that is no judgement", async () => {
    const standIn = await startIdle("go-8000");
    standIn.faults.set("streams", ["hang"]);
    const caller = new AbortController();
    const looking = seeOrchestrator(clientOf(standIn, { signal: caller.signal }));
    setTimeout(() => caller.abort(), 50);
    await assert.rejects(looking, failsWith("interrupted", /stopped/));
    await assert.rejects(clientOf(standIn, { signal: caller.signal }).look(), failsWith("interrupted", /stopped/));
  });
});

describe("the key of an orchestrator", () => {
  it("is in no error, even where the orchestrator repeats it", async () => {
    for (const fault of [page(401, KEY), page(500, KEY), page(200, KEY), page(400, KEY), page(200, `{"${KEY}":1}`)]) {
      const standIn = await startIdle("go-8000");
      standIn.faults.set("streams", [fault, fault, fault]);
      const { seen } = await judged(standIn, KEY);
      assert.ok(seen instanceof CacheOpsError);
      assert.ok(!`${seen.stack} ${seen.hint} ${JSON.stringify(seen)}`.includes(KEY));
    }
  });

  it("does not follow a redirect to another server", async () => {
    const [standIn, other] = [await startIdle("go-8000"), await startIdle("go-8000")];
    standIn.faults.set("engines", [page(302, "", { location: `${other.url}/api/v1/engines` })]);
    assert.equal((await judged(standIn, KEY)).idleness.state, "unknown");
    assert.deepEqual(other.asked, []);
  });

  it("comes from the environment, and one that cannot be sent is refused without being shown", () => {
    assert.equal(orchestratorKeyFrom({ CACHE_OPS_ORCHESTRATOR_KEY: KEY }), KEY);
    assert.equal(orchestratorKeyFrom({}), undefined);
    for (const key of ["two words", "two\nlines", "käse", "tab\t"]) {
      assert.throws(
        () => orchestratorKeyFrom({ CACHE_OPS_ORCHESTRATOR_KEY: key }),
        (error) => error instanceof CacheOpsError && error.code === "invalid_input" && !error.message.includes(key),
      );
    }
  });
});
