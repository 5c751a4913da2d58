import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";

import type { ManagedStore } from "../../../shared/caches/managed/managed-store.ts";
import { failsWith } from "../../support/runs.ts";
import { describeManagedStore } from "./store-conformance.ts";
import { managedCache } from "./store-settings.ts";
import { prepareRedis } from "./redis-place.ts";

const DAY = 86_400_000;
const AT = Date.now();

const { open, ask, keys, backendRegisters } = prepareRedis();

describeManagedStore("redis", () => open);

describe("the redis register among others", () => {
  const pathsOf = async (store: ManagedStore) =>
    (await store.list({ offset: 0, limit: 1000, newestFirst: false })).map(({ path }) => path);

  for (const value of ["locked", "cleaning"]) {
    it(`does not touch what the backend holds as "${value}", with an end or without`, async () => {
      const store = await open({ depth: 2 });
      ask("set", "lock:dir:a/b", value);
      assert.equal(await store.lease("a/b", 60), undefined);
      assert.deepEqual([ask("get", "lock:dir:a/b"), ask("ttl", "lock:dir:a/b")], [value, "-1"]);
      assert.match((await store.warnings()).join("\n"), /lock without an end, on "a\/b"/);
      ask("set", "lock:dir:c", value);
      assert.equal(await store.lease("c/d", 60), undefined, "a directory above it is locked");
      ask("set", "lock:dir:e/f", value, "PX", "300");
      assert.equal(await store.lease("e/f", 60), undefined);
      let lease = await store.lease("e/f", 60);
      for (; lease === undefined; lease = await store.lease("e/f", 60)) await delay(20);
      await lease.assertHeld();
      ask("set", "lock:dir:e/f", value);
      await assert.rejects(lease.assertHeld(), failsWith("locked"));
      await lease.release();
      assert.equal(ask("get", "lock:dir:e/f"), value);
    });
  }

  it("refuses keys of another kind, and changes nothing", async () => {
    ask("set", "cache:lru", "no zset");
    const store = await open();
    await assert.rejects(store.register([{ path: "a", bytes: 1, files: 1 }], AT), failsWith("corrupt", /WRONGTYPE/));
    await assert.rejects(store.totals(), failsWith("corrupt"));
    await assert.rejects(store.forget(["a"]), failsWith("corrupt"));
    assert.deepEqual(keys().toSorted(), ["cache:lru", "cacheops:prefixes"]);
  });

  it("keeps several caches in one Redis apart, and refuses a second one behind the same prefix", async () => {
    const films = await open();
    const music = await open({ name: "music", redisPrefix: "music:" });
    await films.register([{ path: "a", bytes: 1, files: 1 }], AT);
    await music.register([{ path: "b", bytes: 20, files: 1 }], AT);
    await music.setPinned("b", true);
    assert.ok(await music.lease("a", 60));
    assert.ok(await films.lease("a", 60));
    assert.deepEqual([await pathsOf(films), await pathsOf(music)], [["a"], ["b"]]);
    assert.deepEqual([ask("get", "cache:bytes"), ask("get", "music:cache:bytes")], ["1", "20"]);
    await assert.rejects(open({ name: "other" }), failsWith("invalid_input", /belong to the managed cache films/));
    await assert.rejects(open({ name: "other", redisPrefix: "music:" }), failsWith("invalid_input", /music/));
  });

  for (const redisPrefix of ["cache:", "dir:", "lock:", "jobs:", "cacheops:", "no-colon", "a b:", "*:"]) {
    it(`takes no prefix such as "${redisPrefix}"`, () => {
      assert.throws(() => managedCache({ redisPrefix }), failsWith("invalid_input", /redisPrefix/));
    });
  }

  it("warns of a cleaner at work, of another program that registers, and of a server that throws keys out", async () => {
    const store = await open();
    await store.register([{ path: "a", bytes: 1, files: 1 }], AT);
    assert.ok(await store.lease("a", 60));
    assert.deepEqual(await store.warnings(), []);
    backendRegisters("b", 1);
    assert.match((await store.warnings()).join("\n"), /registers directories here, such as "b".*cleaner\/stop/);
    ask("set", "lock:dir:b", "cleaning", "EX", "60");
    assert.match((await store.warnings()).join("\n"), /is cleaning "b" now/);
    assert.equal(await store.lease("b", 60), undefined);
    ask("del", "lock:dir:b");
    assert.match((await store.warnings()).join("\n"), /was met cleaning directories at 20/);
    const later = await open({}, () => Date.now() + 30 * DAY);
    assert.deepEqual(await later.warnings(), []);
    ask("config", "set", "maxmemory", "1gb", "maxmemory-policy", "allkeys-lru");
    try {
      assert.match((await later.warnings()).join("\n"), /maxmemory-policy allkeys-lru/);
    } finally {
      ask("config", "set", "maxmemory", "0", "maxmemory-policy", "noeviction");
    }
  });
});
