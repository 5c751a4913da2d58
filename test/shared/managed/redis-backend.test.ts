import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";

import type { ManagedStore } from "../../../shared/caches/managed/managed-store.ts";
import { prepareRedis } from "./redis-place.ts";
import { HOSTILE_PATHS } from "./store-conformance.ts";

const DAY = 86_400_000;
const AT = Date.now();

describe("the redis register beside the backend of seed 004", () => {
  const { open, ask, keys, backendRegisters } = prepareRedis();
  const pathsOf = async (store: ManagedStore) =>
    (await store.list({ offset: 0, limit: 1000, newestFirst: false })).map(({ path }) => path);
  const candidatesOf = async (store: ManagedStore) => {
    const columns = await store.candidates();
    return Array.from({ length: columns.count }, (_, index) => columns.pathOf(index));
  };

  it("writes that backend's keys, types and values, and all else behind its own prefix", async () => {
    const store = await open({ ttl: "1d" });
    await store.register([{ path: "Artist", bytes: 350, files: 2 }], 1_795_248_437_225);
    await store.register([{ path: "Whole", bytes: 50, files: 1 }], 1_795_248_437_000);
    await store.setPinned("Whole", true);
    const lease = await store.lease("Artist", 60);
    assert.equal(ask("get", "dir:Artist"), "1795248437.225");
    assert.equal(ask("get", "dir:Whole"), "1795248437.0");
    assert.match(ask("ttl", "dir:Artist"), /^(86400|8639\d)$/);
    assert.equal(Number(ask("zscore", "cache:lru", "Artist")), 1_795_248_437.225);
    assert.equal(ask("get", "cache:bytes"), "400");
    assert.equal(ask("incrby", "cache:bytes", "0"), "400");
    assert.ok(Number(ask("ttl", "lock:dir:Artist")) > 0);
    const types = Object.fromEntries(
      keys()
        .filter((key) => !key.startsWith("cacheops:"))
        .map((key) => [key, ask("type", key)]),
    );
    assert.deepEqual(types, {
      "dir:Artist": "string",
      "dir:Whole": "string",
      "cache:lru": "zset",
      "cache:bytes": "string",
      "lock:dir:Artist": "string",
    });
    await lease?.release();
    await store.touch("Artist", 1_795_248_500_500);
    assert.equal(ask("get", "dir:Artist"), "1795248437.225");
    assert.equal(ask("zscore", "cache:lru", "Artist"), "1795248500.5");
    assert.equal(await store.forget(["Artist", "Whole"]), 2);
    assert.deepEqual(
      keys().filter((key) => !key.startsWith("cacheops:")),
      ["cache:bytes"],
    );
    assert.equal(ask("get", "cache:bytes"), "0");
  });

  it("reads what only the backend wrote: a directory of unknown size, until it is measured", async () => {
    ask("setex", "dir:Artist", "86400", "1795248437.2249205");
    ask("zadd", "cache:lru", "1795248437.2249205", "Artist");
    ask("incrby", "cache:bytes", "5000");
    const store = await open({ ttl: "7d" });
    const entry = await store.get("Artist");
    const { expiresAt, ...rest } = entry ?? {};
    assert.deepEqual(rest, {
      path: "Artist",
      bytes: 0,
      files: 0,
      registeredAt: 1_795_248_437_225,
      accessedAt: 1_795_248_437_225,
      accesses: 0,
      isPinned: false,
      refillSeconds: null,
    });
    assert.ok(Math.abs((expiresAt ?? 0) - (Date.now() + DAY)) < 60_000, String(expiresAt));
    assert.deepEqual([await pathsOf(store), await candidatesOf(store)], [["Artist"], ["Artist"]]);
    assert.equal((await store.totals()).directories, 1);
    assert.equal(ask("get", "cache:bytes"), "5000");
    assert.deepEqual(keys("cacheops:films:*"), []);
    await store.register([{ path: "Artist", bytes: 5100, files: 3 }], AT);
    assert.equal(ask("get", "cache:bytes"), "5000");
    assert.deepEqual([(await store.totals()).bytes, ask("get", "cache:bytes")], [5100, "5100"]);
    assert.equal((await store.get("Artist"))?.registeredAt, 1_795_248_437_225);
  });

  it("uses, pins and forgets what only the backend wrote", async () => {
    for (const name of ["a", "b", "c"]) backendRegisters(name, 100, AT - DAY);
    const store = await open({ ttl: "7d" });
    assert.equal(await store.touch("a", AT), true);
    assert.equal(await store.setPinned("b", true), true);
    assert.equal(await store.forget(["c"]), 1);
    assert.deepEqual((await store.get("a"))?.accessedAt, AT);
    assert.equal(ask("ttl", "dir:b"), "-1");
    const { directories, pinned, bytes } = await store.totals();
    assert.deepEqual([directories, pinned, bytes], [2, 1, 0]);
    assert.equal(ask("get", "cache:bytes"), "300");
  });

  it("sees a use that the backend noted", async () => {
    const store = await open({ ttl: "7d" });
    await store.register([{ path: "a", bytes: 1, files: 1 }], AT - 5 * DAY);
    ask("expire", "dir:a", "86400");
    ask("zadd", "cache:lru", String(AT / 1000), "a");
    const { accessedAt, expiresAt } = (await store.get("a")) ?? {};
    assert.deepEqual([accessedAt, expiresAt], [AT, AT + 7 * DAY]);
    const columns = await store.candidates();
    assert.deepEqual([columns.accessedAt[0], columns.expiresAt[0]], [AT, AT + 7 * DAY]);
    assert.ok(Number(ask("ttl", "dir:a")) > 6 * 86_400, "the key lives as long as the directory");
  });

  it("takes no member of the index for a directory that leads elsewhere or lies at another depth", async () => {
    backendRegisters("right", 1);
    const wrong = ["/etc", "../x", "a/../../b", ".", "..", "", "a/b", "a//b", "/", "\u{fffd}"];
    for (const path of wrong) backendRegisters(path, 1);
    ask("zadd", "cache:lru", "inf", "endless");
    ask("zadd", "cache:lru", "-5", "before time");
    ask("eval", "redis.call('zadd', 'cache:lru', 5, 'bad' .. string.char(255))", "0");
    const store = await open();
    assert.deepEqual(await pathsOf(store), ["right"]);
    assert.deepEqual(await candidatesOf(store), ["right"]);
    assert.equal((await store.totals()).directories, 1);
    for (const path of wrong) assert.equal(await store.get(path), undefined, path);
  });

  it("finds hostile names that the backend wrote", async () => {
    const names = HOSTILE_PATHS.filter((path) => !path.includes("/") && path !== "\u{fffd}" && !path.includes("\n"));
    for (const name of names) backendRegisters(name, 1);
    const store = await open();
    assert.deepEqual((await candidatesOf(store)).toSorted(), names.toSorted());
    assert.deepEqual((await pathsOf(store)).toSorted(), names.toSorted());
  });

  it("finds a directory whose key ran out, also when that happens in the middle of its eviction", async () => {
    const store = await open({ ttl: "1s" });
    await store.register([{ path: "a", bytes: 70, files: 1 }], Date.now());
    const lease = await store.lease("a", 60);
    while (ask("exists", "dir:a") === "1") await delay(20);
    const columns = await store.candidates();
    assert.ok(columns.count === 1 && (columns.expiresAt[0] ?? Number.NaN) <= Date.now());
    assert.equal(ask("exists", "dir:a"), "0");
    await lease?.assertHeld();
    assert.equal(await store.forget(["a"]), 1);
    await lease?.release();
    assert.deepEqual([ask("get", "cache:bytes"), ask("zcard", "cache:lru")], ["0", "0"]);
    assert.equal((await store.totals()).directories, 0);
  });

  it("finds what the backend let run out, and takes a key that was thrown away for no expiry", async () => {
    backendRegisters("old", 1, AT - 2 * DAY);
    backendRegisters("thrown away", 1, AT - 1000);
    ask("del", "dir:old", "dir:thrown away");
    const store = await open();
    assert.equal((await store.get("old"))?.expiresAt, AT - DAY);
    assert.equal((await store.get("thrown away"))?.expiresAt, AT - 1000 + DAY);
  });

  it("loses nothing when the backend clears its cache, and puts the keys back that its cleaner asks for", async () => {
    const store = await open({ ttl: "7d" });
    for (let number = 0; number < 30; number += 1) {
      await store.register([{ path: `d${number}`, bytes: 10, files: 1 }], AT + number);
    }
    await store.setPinned("d3", true);
    const before = await store.list({ offset: 0, limit: 100, newestFirst: false });
    ask("del", "cache:lru", "cache:bytes", ...keys("dir:*"));
    assert.deepEqual(await store.list({ offset: 0, limit: 100, newestFirst: false }), before);
    assert.equal(keys("dir:*").length, 30);
    assert.equal(ask("ttl", "dir:d3"), "-1");
    ask("del", "cache:lru", "cache:bytes", ...keys("dir:*"));
    assert.equal((await store.totals()).bytes, 300);
    assert.deepEqual([ask("get", "cache:bytes"), ask("zcard", "cache:lru"), keys("dir:*").length], ["300", "30", 30]);
    ask("del", "cache:lru", ...keys("dir:*"));
    assert.equal((await store.candidates()).count, 30);
    assert.deepEqual([ask("zcard", "cache:lru"), keys("dir:*").length], ["30", 30]);
    assert.match((await store.warnings()).join("\n"), /keys were gone that should have lived on/);
  });

  it("keeps the key of a pinned directory and of one without TTL for ever, whatever the backend does to it", async () => {
    const store = await open({ ttl: "7d" });
    const forEver = await open({ name: "music", redisPrefix: "music:" });
    await store.register([{ path: "a", bytes: 1, files: 1 }], AT);
    await forEver.register([{ path: "b", bytes: 1, files: 1 }], AT);
    await store.setPinned("a", true);
    assert.deepEqual([ask("ttl", "dir:a"), ask("ttl", "music:dir:b")], ["-1", "-1"]);
    ask("expire", "dir:a", "100");
    ask("del", "music:dir:b");
    await store.candidates();
    await forEver.candidates();
    assert.deepEqual([ask("ttl", "dir:a"), ask("ttl", "music:dir:b")], ["-1", "-1"]);
    await store.setPinned("a", false);
    assert.ok(Number(ask("ttl", "dir:a")) > 6 * 86_400);
  });

  it("keeps a key for every level above a directory, and takes none of them for a directory", async () => {
    const store = await open({ depth: 3, ttl: "7d" });
    await store.register([{ path: "a/b/c", bytes: 1, files: 1 }], AT);
    await store.register([{ path: "a/d/e", bytes: 1, files: 1, accessedAt: AT - 3 * DAY }], AT);
    assert.deepEqual(keys("dir:*").toSorted(), ["dir:a", "dir:a/b", "dir:a/b/c", "dir:a/d", "dir:a/d/e"]);
    assert.ok(Number(ask("ttl", "dir:a")) > 6 * 86_400);
    assert.ok(Number(ask("ttl", "dir:a/d")) < 5 * 86_400);
    assert.deepEqual((await candidatesOf(store)).toSorted(), ["a/b/c", "a/d/e"]);
    assert.equal(await store.get("a/b"), undefined);
  });

  for (const [what, spoil] of [
    ["counted twice", ["incrby", "cache:bytes", "1000"]],
    ["counted below nothing", ["decrby", "cache:bytes", "99999"]],
    ["wrote no number into", ["set", "cache:bytes", "12.5"]],
    ["deleted", ["del", "cache:bytes"]],
  ] as const) {
    it(`sets cache:bytes right after another program ${what} it`, async () => {
      const store = await open();
      await store.register([{ path: "a", bytes: 100, files: 1 }], AT);
      await store.totals();
      ask(...spoil);
      assert.equal((await store.totals()).bytes, 100);
      assert.equal(ask("get", "cache:bytes"), "100");
      ask(...spoil);
      await store.register([{ path: "b", bytes: 11, files: 1 }], AT);
      assert.equal(await store.forget(["a"]), 1);
      assert.equal((await store.totals()).bytes, 11);
      assert.equal(ask("get", "cache:bytes"), "11");
    });
  }
});
