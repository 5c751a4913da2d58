import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import {
  engineSettings,
  fill,
  FILLED,
  HOME,
  namesIn,
  orchestratorOf,
  startEngine,
} from "../shared/engine/empty-place.ts";
import { prepareDocker } from "../support/docker.ts";
import { KEY, makeJellyfin } from "../support/jellyfin.ts";
import { streamLine } from "../support/orchestrator.ts";
import { ask, startService, type ServiceServer } from "./service-server.ts";

const until = async (is: () => boolean | Promise<boolean>) => {
  while (!(await is())) await new Promise((resolve) => setTimeout(resolve, 50));
};

/** The value of a metric, by its name and labels as they are written. */
async function metric(server: ServiceServer, name: string): Promise<number | undefined> {
  const { text } = await ask(server, "GET /metrics");
  const line = text.split("\n").find((line) => line.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

const enginesOf = async (server: ServiceServer) => {
  const answer = await ask(server, "GET /engines");
  assert.equal(answer.status, 200, answer.text);
  return answer.json as unknown as Record<string, unknown>[];
};

describe("the service, with stream engines in a real Docker,", () => {
  const host = prepareDocker();
  const services: ServiceServer[] = [];
  afterEach(async () => {
    for (const service of services.splice(0)) await service.stop();
  });
  const serve = async (parts: Parameters<typeof startService>[0]) => {
    const service = await startService(parts);
    services.push(service);
    return service;
  };

  it("empties a cache when its last stream has ended, and shows that in list and metrics at once", async () => {
    const [one, two] = [startEngine(host, "one"), startEngine(host, "two")];
    const standIn = await orchestratorOf(one, two);
    standIn.key = "key-of-the-orchestrator";
    standIn.isGuarded = true;
    standIn.streams = [streamLine("a", "started", one), streamLine("b", "started", two)];
    const engines = [engineSettings(host, { orchestrator: { url: standIn.url }, onStreamEnd: true })];
    const server = await serve({ config: { engines }, env: { CACHE_OPS_ORCHESTRATOR_KEY: standIn.key } });
    const labels = `{engine="ace",container="one",path="${HOME}"}`;
    assert.equal(await metric(server, `cacheops_engine_idle${labels}`), 0);
    assert.equal(await metric(server, `cacheops_engine_cache_bytes${labels}`), FILLED.bytes);
    const row = { engine: "ace", stream_count: 1, last_cache_cleanup: null, cache_size_bytes: null };
    assert.deepEqual(await enginesOf(server), [
      { ...row, container_id: one, container_name: "one" },
      { ...row, container_id: two, container_name: "two" },
    ]);
    standIn.streams = [streamLine("b", "started", two)];
    await until(() => server.log.some(({ message }) => message === "streams ended"));
    const note = server.log.find(({ message }) => message === "streams ended");
    assert.deepEqual([note?.["container"], note?.["outcome"]], [[one], "complete"], JSON.stringify(note));
    assert.deepEqual([namesIn(host, one), namesIn(host, two)], [[], ["a", "deep"]]);
    const [shown] = await enginesOf(server);
    assert.match(String(shown?.["last_cache_cleanup"]), /^\d{4}-\d\d-\d\dT/);
    assert.equal(shown?.["cache_size_bytes"], FILLED.bytes);
    assert.equal(await metric(server, `cacheops_engine_freed_bytes_total${labels}`), FILLED.bytes);
    assert.equal(await metric(server, `cacheops_engine_cache_bytes${labels}`), 0);
    assert.equal(await metric(server, 'cacheops_operations_total{operation="apply",face="schedule",outcome="ok"}'), 1);
    assert.ok(!JSON.stringify(server.log).includes(standIn.key));
  });

  it("empties by a schedule what is idle then, and nothing that plays", async () => {
    const [one, two] = [startEngine(host, "one"), startEngine(host, "two")];
    const standIn = await orchestratorOf(one, two);
    standIn.streams = [streamLine("b", "prebuf", two)];
    const schedules = [{ name: "idle", cron: "* * * * * *", operation: "empty", apply: true }];
    const engines = [engineSettings(host, { orchestrator: { url: standIn.url } })];
    await serve({ config: { engines, schedules } });
    await until(() => namesIn(host, one).length === 0);
    assert.deepEqual(namesIn(host, two), ["a", "deep"]);
  });

  it("keeps to what the operator allows, also when streams end, and tells the webhooks", async () => {
    const one = startEngine(host, "one");
    const standIn = await orchestratorOf(one);
    standIn.streams = [streamLine("a", "started", one)];
    const told: Record<string, unknown>[] = [];
    const receiver = createServer((request, response) => {
      let body = "";
      request.on("data", (part: Buffer) => (body += part.toString()));
      request.on("end", () => {
        told.push(JSON.parse(body) as Record<string, unknown>);
        response.end();
      });
    }).listen(0, "127.0.0.1");
    await once(receiver, "listening");
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
    const engines = [engineSettings(host, { orchestrator: { url: standIn.url }, onStreamEnd: true })];
    const words = ["--max-bytes", String(FILLED.bytes - 1)];
    const server = await serve({ words, config: { engines, service: { webhooks: [{ url }] } } });
    await until(() => standIn.asked.length > 1);
    standIn.streams = [];
    await until(() => told.length > 0);
    receiver.close();
    receiver.closeAllConnections();
    const data = told[0]?.["data"] as Record<string, unknown>;
    assert.deepEqual([told[0]?.["type"], data["operation"], data["outcome"]], ["failure", "apply", "forbidden"]);
    assert.match(String(data["message"]), /frees 5123 bytes; the operator allows 5122/);
    assert.deepEqual(namesIn(host, one), ["a", "deep"]);
    // Over REST as well.
    const plan = (await ask(server, "POST /api/v1/empty", { body: {} })).json;
    assert.equal(plan["status"], "ready");
    const body = { plan: plan["plan"], acknowledge: plan["acknowledge"] };
    assert.equal((await ask(server, "POST /api/v1/apply", { body })).status, 403);
  });

  it("only looks when it is to change nothing, and answers for what is down", async () => {
    const one = startEngine(host, "one");
    const standIn = await orchestratorOf(one);
    standIn.streams = [streamLine("a", "started", one)];
    const home = makeJellyfin();
    const jellyfin = await home.serve();
    const config = {
      engines: [
        engineSettings(host, { orchestrator: { url: standIn.url }, onStreamEnd: true }),
        { name: "far", socket: "tcp://127.0.0.1:9" },
      ],
      jellyfin: [
        { name: "home", url: jellyfin.url },
        { name: "away", url: "http://127.0.0.1:9" },
      ],
    };
    const env = { CACHE_OPS_JELLYFIN_HOME_TOKEN: KEY };
    const server = await serve({ words: ["--read-only"], config, env });
    standIn.streams = [];
    const answer = await ask(server, "GET /engines");
    assert.deepEqual([answer.status, answer.headers["cache-ops-missing"]], [200, "far"]);
    assert.equal(await metric(server, 'cacheops_engine_up{engine="ace"}'), 1);
    assert.equal(await metric(server, 'cacheops_engine_up{engine="far"}'), 0);
    assert.equal(await metric(server, 'cacheops_jellyfin_up{server="home"}'), 1);
    assert.equal(await metric(server, 'cacheops_jellyfin_up{server="away"}'), 0);
    assert.equal(await metric(server, 'cacheops_jellyfin_items{server="home",type="movies"}'), 120);
    assert.equal((await ask(server, "GET /api/v1/engines?engine=far")).status, 503);
    assert.equal((await ask(server, "GET /api/v1/jellyfin")).status, 200);
    assert.equal((await ask(server, "GET /engines", { headers: { authorization: null } })).status, 401);
    assert.equal((await ask(server, "GET /engines?all=1")).status, 400);
    assert.equal((await ask(server, "POST /engines")).status, 405);
    fill(host, one);
    assert.deepEqual(namesIn(host, one), ["a", "deep"]);
    assert.equal(standIn.asked.filter((line) => line.includes("/events")).length, 0, "nobody waits for streams to end");
    jellyfin.close();
    const { log } = server;
    assert.ok(!JSON.stringify(log).includes(KEY));
    assert.equal(log.filter(({ message }) => message === "bug").length, 0, JSON.stringify(log));
  });
});
