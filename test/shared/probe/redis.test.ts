import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";

import { invoke, secretFrom, type Context } from "../../../shared/index.ts";
import { openProbeCache } from "../../../shared/caches/probe/open.ts";
import { SCHEMA_VERSION } from "../../../shared/caches/probe/stored.ts";
import { doctor } from "../../../shared/operations/doctor.ts";
import { invalidate } from "../../../shared/operations/invalidate.ts";
import { stats } from "../../../shared/operations/stats.ts";
import { copyLibrary } from "../../support/library.ts";
import { makePlace } from "../../support/place.ts";
import { failsWith } from "../../support/runs.ts";
import { probeContext, resultOf, STATE, withCache } from "./cache-place.ts";
import { startRedis, startStandIn } from "./redis-server.ts";

/** A host of its own: its own embedded store, and this Redis. `notes` are what it logged. */
function host(redisUrl: string, parts: Parameters<typeof probeContext>[0] = {}) {
  const notes: string[] = [];
  const log: Context["log"] = (message, fields) => notes.push(`${message} ${JSON.stringify(fields)}`);
  return { context: probeContext({ redisUrl, log, ...parts }), notes };
}

const put = (context: Context, path: string, number: number) =>
  withCache(context, (cache) => cache.set(path, STATE, resultOf(number)));
const get = async (context: Context, path: string) =>
  (await withCache(context, (cache) => cache.get(path, STATE)))?.result;

describe("Redis behind the probe cache", () => {
  it("lets hosts share results, which each then holds itself", async () => {
    const redis = await startRedis();
    const [one, two] = [host(redis.url), host(redis.url)];
    await put(one.context, "/media/a.mkv", 7);
    assert.deepEqual(await get(two.context, "/media/a.mkv"), resultOf(7));
    assert.equal(await withCache(two.context, (cache) => cache.get("/media/a.mkv", { ...STATE, size: 1n })), undefined);
    const { probe } = await invoke(stats, { paths: [copyLibrary()] }, two.context);
    assert.deepEqual([probe?.byOrigin, probe?.probes], [{ ffprobe: 1 }, 0]);
    await redis.kill();
    assert.deepEqual(await get(two.context, "/media/a.mkv"), resultOf(7));
    assert.deepEqual([one.notes, two.notes], [[], []]);
  });

  it("is given no keys but those under our own prefix, and all of them expire", async () => {
    const redis = await startRedis();
    const { context } = host(redis.url);
    redis.ask("set", "dir:Artist", "1");
    redis.ask("set", "cache:bytes", "5");
    for (const [number, name] of ["a.mkv", "new\nline.mkv", "[x]*?.mkv", "日本.mkv"].entries())
      await put(context, `/media/${name}`, number);
    const keys = redis.ask("--json", "keys", "*");
    assert.equal((JSON.parse(keys) as string[]).filter((key) => key.startsWith("cache-ops:probe:/media/")).length, 4);
    assert.equal((JSON.parse(keys) as string[]).length, 6);
    assert.ok(Number(redis.ask("ttl", "cache-ops:probe:/media/a.mkv")) > 0);
  });

  it("forgets with the store: some results, or all of ours and nothing else", async () => {
    const redis = await startRedis();
    const [one, two] = [host(redis.url), host(redis.url)];
    redis.ask("set", "dir:Artist", "1");
    for (const name of ["a", "b", "c"]) await put(one.context, `/media/${name}.mkv`, 1);
    const some = await invoke(invalidate, { match: ["a.mkv"] }, one.context);
    assert.deepEqual([some.entries, some.shared], [1, "forgotten"]);
    assert.equal(await get(two.context, "/media/a.mkv"), undefined);
    assert.deepEqual(await get(two.context, "/media/b.mkv"), resultOf(1));
    const dry = await invoke(invalidate, { all: true, dryRun: true }, one.context);
    assert.deepEqual([dry.entries, dry.shared, redis.ask("dbsize").trim()], [2, "none", "3"]);
    const all = await invoke(invalidate, { all: true }, one.context);
    assert.deepEqual([all.entries, all.shared, redis.ask("keys", "*").trim()], [2, "forgotten", "dir:Artist"]);
  });

  it("that was killed in the middle costs nothing but a note", async () => {
    const redis = await startRedis();
    const { context, notes } = host(redis.url);
    await withCache(context, async (cache) => {
      await cache.set("/media/0.mkv", STATE, resultOf(0));
      await redis.kill();
      for (let number = 1; number < 50; number += 1) await cache.set(`/media/${number}.mkv`, STATE, resultOf(number));
      for (let number = 0; number < 50; number += 1)
        assert.deepEqual((await cache.get(`/media/${number}.mkv`, STATE))?.result, resultOf(number));
      assert.equal(await cache.get("/media/none.mkv", STATE), undefined);
    });
    assert.equal(notes.length, 1, notes.join());
    assert.match(notes[0] ?? "", /Redis is left alone/);
    const { shared, entries } = await invoke(invalidate, { all: true }, context);
    assert.deepEqual([shared, entries], ["unreachable", 50]);
    assert.equal(invalidate.outcome({ ...(await invoke(invalidate, { all: true }, context)) }), "partial");
  });

  it("is tried again after a while, and used when it is back", async () => {
    let now = Date.now();
    const redis = await startRedis();
    const { context } = host(redis.url, { now: () => now });
    await withCache(context, async (cache) => {
      await redis.kill();
      await cache.set("/media/0.mkv", STATE, resultOf(0));
      await redis.start();
      await cache.set("/media/1.mkv", STATE, resultOf(1));
      assert.equal(redis.ask("dbsize").trim(), "0");
      now += 60_000;
      await cache.set("/media/2.mkv", STATE, resultOf(2));
      assert.equal(redis.ask("keys", "*").trim(), "cache-ops:probe:/media/2.mkv");
    });
  });

  it("that sleeps is not waited for", async () => {
    const redis = await startRedis();
    const { context, notes } = host(redis.url);
    const cache = await openProbeCache(context);
    await cache.set("/media/0.mkv", STATE, resultOf(0));
    let isAwake = false;
    const awake = redis.sleep(10).then(() => (isAwake = true));
    for (let number = 0; notes.length === 0; number += 1) await cache.get(`/media/none${number}.mkv`, STATE);
    await cache.set("/media/1.mkv", STATE, resultOf(1));
    assert.deepEqual((await cache.get("/media/1.mkv", STATE))?.result, resultOf(1));
    await cache.close();
    assert.equal(isAwake, false);
    await awake;
    assert.match(notes.join(), /ETIMEDOUT/);
  });

  for (const [what, text] of [
    ["never answers", undefined],
    ["speaks HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ["speaks nonsense", "\u0000\u0001nonsense\r\n$-5\r\n*99999999999\r\n"],
    ["ends half-way through an answer", "$1000\r\nabc"],
  ] as const) {
    it(`that ${what} stops nothing`, async () => {
      const { context, notes } = host(await startStandIn(text));
      await put(context, "/media/a.mkv", 1);
      assert.deepEqual(await get(context, "/media/a.mkv"), resultOf(1));
      assert.equal(await get(context, "/media/b.mkv"), undefined);
      assert.ok(notes.length > 0);
      const { checks } = await invoke(doctor, { paths: [copyLibrary()] }, context);
      assert.equal(checks.find(({ name }) => name === "Redis")?.status, "warning");
    });
  }

  it("is believed nothing that is no result of this very file", async () => {
    const redis = await startRedis();
    const { context } = host(redis.url);
    const value = (parts: Record<string, unknown>) =>
      JSON.stringify({
        size: String(STATE.size),
        mtimeNs: String(STATE.mtimeNs),
        schema: SCHEMA_VERSION,
        at: 1,
        data: deflateRawSync(JSON.stringify(resultOf(3))).toString("base64"),
        ...parts,
      });
    const bomb = deflateRawSync(Buffer.alloc(70_000_000, 0x20)).toString("base64");
    const wrong = [
      "",
      "nonsense",
      "null",
      "[]",
      "{}",
      value({ size: 5 }),
      value({ size: "99" }),
      value({ mtimeNs: "x" }),
      value({ data: "!!!" }),
      value({ data: bomb }),
      value({ data: deflateRawSync('{"state":"probed","data":{"streams":[1],"format":{}}}').toString("base64") }),
      value({ data: deflateRawSync('{"state":"failed","rule":"rm","message":"x"}').toString("base64") }),
    ];
    for (const [number, text] of wrong.entries()) {
      redis.ask("set", `cache-ops:probe:/media/${number}`, text);
      assert.equal(await get(context, `/media/${number}`), undefined, text.slice(0, 200));
    }
    redis.ask("set", "cache-ops:probe:/media/right", value({}));
    assert.deepEqual(await get(context, "/media/right"), resultOf(3));
    redis.ask("lpush", "cache-ops:probe:/media/list", "x");
    assert.equal(await get(context, "/media/list"), undefined);
  });

  it("with a password takes it from the URL, and neither doctor nor notes ever show it", async () => {
    const redis = await startRedis("--requirepass", "geheim-1");
    const good = redis.url.replace("unix://", "unix://:geheim-1@");
    const wrong = redis.url.replace("unix://", "unix://:geheim-2@");
    const examine = async (url: string) => {
      const { context, notes } = host(url);
      await put(context, "/media/a.mkv", 1);
      const { checks } = await invoke(doctor, { paths: [copyLibrary()] }, context);
      const shown = JSON.stringify([checks, notes]);
      assert.ok(!shown.includes("geheim"), shown);
      return checks.find(({ name }) => name === "Redis");
    };
    assert.equal((await examine(good))?.status, "ok");
    assert.match((await examine(wrong))?.message ?? "", /WRONGPASS/);
    assert.match((await examine(redis.url))?.message ?? "", /NOAUTH/);
    assert.equal((await examine("geheim: no url"))?.status, "warning");
    assert.equal((await examine("http://user:geheim@127.0.0.1:1"))?.status, "warning");
    assert.match((await examine("redis://user:geheim@127.0.0.1:1"))?.message ?? "", /ECONNREFUSED/);
  });
});

describe("the URL of Redis", () => {
  const NAME = "CACHE_OPS_REDIS_URL";

  it("comes from the environment, or from a file that only its owner may read", () => {
    const file = join(makePlace("secret"), "url");
    writeFileSync(file, "redis://:geheim@localhost\n");
    chmodSync(file, 0o600);
    assert.equal(secretFrom({}, NAME), undefined);
    assert.equal(secretFrom({ [NAME]: "" }, NAME), undefined);
    assert.equal(secretFrom({ [NAME]: "redis://x" }, NAME), "redis://x");
    assert.equal(secretFrom({ [`${NAME}_FILE`]: file }, NAME), "redis://:geheim@localhost");
    chmodSync(file, 0o640);
    assert.throws(() => secretFrom({ [`${NAME}_FILE`]: file }, NAME), failsWith("invalid_input", /read by others/));
    assert.throws(() => secretFrom({ [`${NAME}_FILE`]: `${file}2` }, NAME), failsWith("invalid_input", /ENOENT/));
  });
});
