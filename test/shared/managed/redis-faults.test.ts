import assert from "node:assert/strict";

import type { CacheOpsError } from "../../../shared/index.ts";
import type { ManagedStore } from "../../../shared/caches/managed/managed-store.ts";
import { openManagedStore } from "../../../shared/caches/managed/open.ts";
import { makeContext } from "../../support/context.ts";
import { makePlace } from "../../support/place.ts";
import { failsWith } from "../../support/runs.ts";
import { startRedis, startStandIn, type RedisServer } from "../probe/redis-server.ts";
import { managedCache } from "./store-settings.ts";

const AT = Date.now();
const opened: ManagedStore[] = [];

async function open(redisUrl: string | undefined, signal = new AbortController().signal): Promise<ManagedStore> {
  const context = makeContext({ redisUrl, signal, config: { timeLimit: "1s" } });
  const store = await openManagedStore(managedCache({ store: "redis", ttl: "7d" }), context);
  opened.push(store);
  return store;
}

/** A Redis that keeps what it has acknowledged over its death. */
const startDurable = (): Promise<RedisServer> =>
  startRedis("--appendonly", "yes", "--appendfsync", "always", "--dir", makePlace("redis-data"));

const said = (path: string, bytes = 10) => ({ path, bytes, files: 1 });

/** The first who asks after a restart may still find the connection that died, and is told so. */
async function firstAsk(store: ManagedStore): Promise<void> {
  try {
    await store.get("a");
  } catch (error) {
    assert.ok(failsWith("unavailable", /connection lost|E[A-Z]+/)(error));
  }
}

describe("the redis register and its server", () => {
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close();
  });

  it("goes on after a restart of the server that nobody was told of", async () => {
    const server = await startDurable();
    const store = await open(server.url);
    await store.register([said("a"), said("b", 5)], AT);
    await store.setPinned("a", true);
    const lease = await store.lease("a", 60);
    await server.kill();
    await server.start();
    await firstAsk(store);
    assert.equal((await store.get("a"))?.isPinned, true);
    await lease?.assertHeld();
    const { directories, bytes, pinned } = await store.totals();
    assert.deepEqual([directories, bytes, pinned], [2, 15, 1]);
    assert.equal(await store.forget(["a", "b"]), 2);
  });

  it("has everything that it acknowledged before the server was killed, and counts nothing twice", async () => {
    const server = await startDurable();
    const store = await open(server.url);
    const done: string[] = [];
    let hasFailed = false;
    const work = (async () => {
      for (let number = 0; !hasFailed; number += 1) {
        const batch = Array.from({ length: 20 }, (_, index) => said(`d${number * 20 + index}`));
        try {
          await store.register(batch, AT);
          done.push(...batch.map(({ path }) => path));
        } catch (error) {
          failsWith("unavailable", /^Redis: /)(error);
          hasFailed = true;
        }
      }
    })();
    while (done.length < 200) await store.touch("none", AT);
    await server.kill();
    await work;
    await assert.rejects(store.totals(), failsWith("unavailable"));
    await server.start();
    const { directories, bytes } = await store.totals();
    assert.ok(directories >= done.length && directories % 20 === 0, `${directories} of ${done.length}`);
    assert.equal(bytes, directories * 10);
    assert.equal(server.ask("get", "cache:bytes").trim(), String(bytes));
    for (const path of done) assert.ok(await store.get(path), path);
  });

  it("loses a lease with a server that forgets, says so, and takes the empty register for what it is", async () => {
    const server = await startRedis();
    const store = await open(server.url);
    await store.register([said("a")], AT);
    const lease = await store.lease("a", 60);
    await server.kill();
    await server.start();
    await firstAsk(store);
    await assert.rejects(lease?.assertHeld() ?? Promise.resolve(), failsWith("locked", /lease on a ended or was lost/));
    await lease?.release();
    assert.equal(await store.touch("a", AT), false);
    assert.equal((await store.totals()).directories, 0);
    await store.register([said("a")], AT);
    assert.equal((await store.totals()).bytes, 10);
  });

  it("waits no longer than the time limit for a server that stands still, and goes on when it does", async () => {
    const server = await startRedis();
    const store = await open(server.url);
    await store.register([said("a")], AT);
    const lease = await store.lease("a", 600);
    server.signal("SIGSTOP");
    try {
      const asked = [
        () => store.get("a"),
        () => store.register([said("b")], AT),
        () => store.candidates(),
        () => store.totals(),
        () => store.warnings(),
        () => lease?.assertHeld() ?? Promise.resolve(),
        () => open(server.url),
      ];
      await Promise.all(
        asked.map((ask) => assert.rejects(ask(), failsWith("unavailable", /ETIMEDOUT|connection lost/))),
      );
      await assert.rejects(store.lease("c", 60), failsWith("unavailable"));
    } finally {
      server.signal("SIGCONT");
    }
    assert.equal((await store.get("a"))?.bytes, 10);
    await lease?.assertHeld();
  });

  it("can be closed while nobody answers, and more than once", async () => {
    const server = await startRedis();
    const store = await open(server.url);
    server.signal("SIGSTOP");
    const asked = assert.rejects(store.get("a"), failsWith("unavailable"));
    await store.close();
    await store.close();
    await asked;
    server.signal("SIGCONT");
  });

  for (const [what, text] of [
    ["never answers", undefined],
    ["speaks HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ["speaks nonsense", "\u0000\u0001nonsense\r\n$-5\r\n*99999999999\r\n"],
    ["ends half-way through an answer", "$1000\r\nabc"],
  ] as const) {
    it(`is not opened at a server that ${what}`, async () => {
      await assert.rejects(open(await startStandIn(text)), failsWith("unavailable", /^Redis: /));
    });
  }

  it("is not opened without a server, and never shows its URL", async () => {
    await assert.rejects(open(undefined), (error: CacheOpsError) => {
      assert.match(error.hint ?? "", /CACHE_OPS_REDIS_URL/);
      return failsWith("invalid_input", /films.*no server is named/)(error);
    });
    const server = await startRedis("--requirepass", "geheim-1");
    await (await open(server.url.replace("unix://", "unix://:geheim-1@"))).totals();
    for (const [url, code, message] of [
      [server.url.replace("unix://", "unix://:geheim-2@"), "unavailable", /WRONGPASS/],
      [server.url, "unavailable", /NOAUTH/],
      ["redis://user:geheim@127.0.0.1:1", "unavailable", /ECONNREFUSED/],
      ["http://user:geheim@127.0.0.1:1", "invalid_input", /no URL of a Redis/],
      ["geheim: no url", "invalid_input", /no URL of a Redis/],
      ["unix://:geheim%@/x", "invalid_input", /no URL of a Redis/],
    ] as const) {
      await assert.rejects(open(url), (error: CacheOpsError) => {
        const shown = JSON.stringify([error.message, error.hint, error.stack, error.cause, String(error.cause)]);
        assert.ok(!shown.includes("geheim"), shown);
        return failsWith(code, message)(error);
      });
    }
  });

  it("says what the server refuses, and works again when it does not", async () => {
    const server = await startRedis();
    const store = await open(server.url);
    server.ask("config", "set", "maxmemory", "1");
    await assert.rejects(store.register([said("a")], AT), failsWith("unavailable", /OOM/));
    server.ask("config", "set", "maxmemory", "0");
    await store.register([said("a")], AT);
    server.ask("script", "flush");
    assert.equal((await store.get("a"))?.bytes, 10);
  });

  it("stops between two questions when its caller gives up", async () => {
    const server = await startRedis();
    const controller = new AbortController();
    const store = await open(server.url, controller.signal);
    await store.register([said("a")], AT);
    controller.abort();
    await assert.rejects(store.candidates(), failsWith("interrupted"));
    await assert.rejects(store.register([said("b")], AT), failsWith("interrupted"));
    assert.equal(await store.get("b"), undefined);
  });

  it("refuses a name with a NUL, and registers nothing of what came with it", async () => {
    const server = await startRedis();
    const store = await open(server.url);
    await assert.rejects(store.register([said("a"), said("b\0c")], AT), failsWith("invalid_input", /NUL/));
    assert.equal((await store.totals()).directories, 0);
  });
});
