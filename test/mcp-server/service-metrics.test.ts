import assert from "node:assert/strict";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

import { openState, openUsageHistory, type Notice } from "../../shared/index.ts";
import { withManagedStore } from "../../shared/caches/managed/open.ts";
import { fill, managedContext, managedSettings } from "../shared/managed/managed-place.ts";
import { makeMovies } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { applyById, makeStaleLibrary, planCleanup } from "../support/runs.ts";
import { makeContext } from "../support/context.ts";
import { ask, startService, type ServiceServer } from "./service-server.ts";

/** The value of a metric, by its name and labels as they are written. */
async function metric(server: ServiceServer, name: string): Promise<number | undefined> {
  const { text } = await ask(server, "GET /metrics");
  const line = text.split("\n").find((line) => line.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

/** A managed cache of three directories of 1,000 bytes, one used twice and one asked for in vain. */
async function makeManaged(parts: { maxBytes?: number } = {}) {
  const root = makePlace("managed");
  const cache = managedSettings(root, { name: "downloads", maxBytes: 4000, ...parts });
  const context = managedContext([cache]);
  for (const name of ["a", "b", "c"]) fill(root, `${name}/film.bin`);
  await withManagedStore(cache, context, async (store) => {
    const now = Date.now();
    await store.register(
      ["a", "b", "c"].map((path) => ({ path, bytes: 1000, files: 1 })),
      now,
    );
    for (const path of ["a", "a", "none"]) await store.touch(path, now);
    await store.countEvictions(5, 12_345);
  });
  return { root, cache, state: context.stateDirectory };
}

describe("the metrics", () => {
  it("hold usage, quota, uses and evictions of every managed cache, as its register has them", async () => {
    const { root, state } = await makeManaged();
    const managed = [
      { name: "downloads", root, maxBytes: 4000 },
      { name: "other", root: makePlace("managed") },
    ];
    const server = await startService({ state, config: { managed } });
    const { text, headers } = await ask(server, "GET /metrics");
    assert.match(headers["content-type"] as string, /^text\/plain; version=0\.0\.4/);
    for (const [name, value] of [
      ["usage_bytes", 3000],
      ["quota_bytes", 4000],
      ["directories", 3],
      ["pinned_directories", 0],
      ["hits_total", 2],
      ["misses_total", 1],
      ["evictions_total", 5],
      ["reclaimed_bytes_total", 12_345],
      ["up", 1],
    ] as const) {
      assert.ok(text.includes(`cacheops_managed_${name}{cache="downloads"} ${value}\n`), `${name}:\n${text}`);
    }
    assert.ok(!text.includes('quota_bytes{cache="other"}'), "no quota, no figure");
    assert.match(text, /^process_resident_memory_bytes \d+$/m);
    assert.match(text, /^cacheops_info\{version="[\d.]+"\} 1$/m);
  });

  it("count the runs of every process on this host, by operation and status, from the start of the service on", async () => {
    const library = makeStaleLibrary("films", "shows");
    const [state, config] = [makePlace("state"), { libraries: [{ name: "movies", roots: [library] }] }];
    const store = openState(state);
    const elsewhere = makeContext({ state: () => store, config });
    await applyById(elsewhere, (await planCleanup(elsewhere, [join(library, "films")])).plan);
    const server = await startService({ state, config });
    const cleanups = 'cacheops_runs_total{operation="cleanup",status="complete"}';
    assert.equal(await metric(server, cleanups), undefined);
    await applyById(elsewhere, (await planCleanup(elsewhere, [join(library, "shows")])).plan);
    assert.equal(await metric(server, cleanups), 1);
    const { runs } = (await ask(server, "GET /api/v1/history")).json as {
      runs: { run: string; acknowledge: string }[];
    };
    await ask(server, "POST /api/v1/undo", { body: { run: runs[0]?.run, acknowledge: runs[0]?.acknowledge } });
    assert.equal(await metric(server, cleanups), 1);
    assert.equal(await metric(server, 'cacheops_runs_total{operation="undo",status="complete"}'), 1);
    assert.equal(await metric(server, 'cacheops_run_duration_seconds_count{operation="undo"}'), 1);
    assert.equal(await metric(server, 'cacheops_operations_total{operation="undo",face="rest",outcome="ok"}'), 1);
    assert.equal(await metric(server, 'cacheops_operation_duration_seconds_count{operation="history"}'), 1);
    store.close();
  });

  it("say of a register that cannot be reached that it is down, and the statistics refuse to guess", async () => {
    const managed = [{ name: "far", root: makePlace("managed"), store: "redis", maxBytes: 10 }];
    const env = { CACHE_OPS_REDIS_URL: "redis://:hidden@127.0.0.1:9/" };
    const server = await startService({ config: { managed }, env });
    assert.equal(await metric(server, 'cacheops_managed_up{cache="far"}'), 0);
    assert.equal(await metric(server, 'cacheops_managed_usage_bytes{cache="far"}'), undefined);
    const { status, text } = await ask(server, "GET /cache/stats");
    assert.equal(status, 503, text);
    assert.ok(!JSON.stringify([text, server.log]).includes("hidden"));
  });

  it("need no token when the operator says so, but still their name", async () => {
    const server = await startService({ words: ["--metrics-open"] });
    const stranger = { authorization: null };
    assert.equal((await ask(server, "GET /metrics", { headers: stranger })).status, 200);
    assert.equal((await ask(server, "GET /metrics", { headers: { ...stranger, host: "evil.example" } })).status, 403);
    assert.equal((await ask(server, "GET /cache/stats", { headers: stranger })).status, 401);
  });
});

/** A receiver of webhooks, and what it was told so far. */
async function receiver() {
  const told: { type: Notice; data: Record<string, unknown> }[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (part: Buffer) => (body += part.toString()));
    request.on("end", () => {
      told.push(JSON.parse(body) as (typeof told)[number]);
      response.end();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  receivers.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
  const until = async (type: Notice) => {
    for (;;) {
      const found = told.find((message) => message.type === type);
      if (found !== undefined) return found.data;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return { told, until, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

const receivers: (() => void)[] = [];

after(() => {
  for (const end of receivers) end();
});

describe("the service's notifications", () => {
  it("tell once that a managed cache passed its high watermark, and when it will be full", async () => {
    const { root, state } = await makeManaged();
    const { url, until, told } = await receiver();
    const history = openUsageHistory(state);
    for (const days of [1, 2, 3]) history.note("downloads", 3000 - days * 500, Date.now() - days * 86_400_000);
    history.close();
    const managed = [{ name: "downloads", root, maxBytes: 3100 }];
    const server = await startService({
      state,
      config: { managed, service: { webhooks: [{ url }], checkEvery: "1s" } },
    });
    const usage = { cache: "downloads", bytes: 3000, maxBytes: 3100 };
    assert.deepEqual(await until("quota"), { ...usage, highWatermark: 0.9 });
    const { fullInDays, ...rest } = await until("forecast");
    assert.deepEqual(rest, usage);
    assert.ok(Math.abs(Number(fullInDays) - 0.2) < 1e-9, String(fullInDays));
    assert.equal(await metric(server, 'cacheops_managed_full_in_days{cache="downloads"}'), fullInDays);
    assert.equal(await metric(server, 'cacheops_webhook_deliveries_total{result="delivered"}'), 2);
    // Long enough for it to look again.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.equal(await server.stop(), 0);
    assert.deepEqual(
      told.map(({ type }) => type),
      ["quota", "forecast"],
    );
  });

  it("tell of a plan that a guard stopped, whoever asked for it", async () => {
    const library = makePlace("library");
    const media = makeMovies(
      join(library, "films"),
      Array.from({ length: 30 }, (_, index) => `${index}.mkv`),
    );
    for (const path of media.slice(0, 25)) rmSync(path);
    const { url, until } = await receiver();
    const config = {
      libraries: [{ name: "movies", roots: [library] }],
      service: { webhooks: [{ url, events: ["blocked"] }] },
    };
    const server = await startService({ config });
    const { status, json } = await ask(server, "POST /api/v1/cleanup");
    assert.deepEqual([status, json["status"]], [409, "blocked"]);
    const data = await until("blocked");
    assert.deepEqual([data["operation"], data["face"], data["plan"]], ["cleanup", "rest", json["plan"]]);
  });

  it("keep nothing from working while their receiver does not answer", async () => {
    const library = makeStaleLibrary("films");
    const config = {
      libraries: [{ name: "movies", roots: [library] }],
      service: { webhooks: [{ url: "http://127.0.0.1:9/" }] },
    };
    const server = await startService({ config });
    const { plan, acknowledge } = (await ask(server, "POST /api/v1/cleanup")).json;
    const applied = await ask(server, "POST /api/v1/apply", { body: { plan, acknowledge } });
    assert.equal(applied.json["status"], "complete");
    assert.equal(await server.stop(), 0);
  });
});
