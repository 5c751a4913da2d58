import assert from "node:assert/strict";

import { invoke, type Context } from "../../../shared/index.ts";
import type { PartialResult } from "../../../shared/caches/probe/probe-cache.ts";
import { invalidate } from "../../../shared/operations/invalidate.ts";
import { stats } from "../../../shared/operations/stats.ts";
import { copyLibrary } from "../../support/library.ts";
import { partialOf, probeContext, resultOf, STATE, withCache } from "./cache-place.ts";
import { startRedis } from "./redis-server.ts";

const PATH = "/media/a.mkv";
const MEDIABOX = { origin: "mediabox", at: 1_700_000_000_000 } as const;
const FAILURE = { state: "failed", rule: "time_limit", message: "too slow" } as const;
const any = () => true;

const set = (context: Context, result: PartialResult, state = STATE) =>
  withCache(context, (cache) => cache.set(PATH, state, result, MEDIABOX));
const put = (context: Context, number: number) =>
  withCache(context, (cache) => cache.set(PATH, STATE, resultOf(number)));
const get = async (context: Context, accepts?: () => boolean) =>
  withCache(context, async (cache) => (await cache.get(PATH, STATE, accepts))?.result);

for (const probe of [{}, { memoryEntries: 0 }]) {
  const makeContext = (parts: Parameters<typeof probeContext>[0] = {}) => probeContext({ ...parts, config: { probe } });

  describe(`a partial result, ${"memoryEntries" in probe ? "without" : "with"} the memory in front`, () => {
    it("is given only to who takes one, with its origin and age", async () => {
      const context = makeContext();
      assert.equal(await set(context, partialOf(1)), true);
      await withCache(context, async (cache) => {
        for (let round = 0; round < 2; round += 1) {
          assert.deepEqual(await cache.get(PATH, STATE, any), { result: partialOf(1), ...MEDIABOX });
          assert.equal(await cache.get(PATH, STATE), undefined);
          assert.equal(await cache.get(PATH, STATE, () => false), undefined);
        }
        assert.equal(await cache.get(PATH, { ...STATE, mtimeNs: 5n }, any), undefined);
      });
    });

    it("counts as a hit where it is taken, else as a miss; a peek counts nothing", async () => {
      const context = makeContext();
      await set(context, partialOf(1));
      await withCache(context, async (cache) => {
        await cache.get(PATH, STATE, any);
        await cache.get(PATH, STATE);
        await cache.get(PATH, STATE);
        assert.deepEqual(await cache.peek(PATH, STATE), { result: partialOf(1), ...MEDIABOX });
        assert.equal(await cache.peek(PATH, { ...STATE, size: 5n }), undefined);
        assert.equal(await cache.peek("/media/none.mkv", STATE), undefined);
      });
      const { probe: figures } = await invoke(stats, { paths: [copyLibrary()] }, context);
      const { hits, misses, probes, byOrigin } = figures ?? {};
      assert.deepEqual(
        { hits, misses, probes, byOrigin },
        { hits: 1, misses: 2, probes: 0, byOrigin: { mediabox: 1 } },
      );
    });

    it("never takes the place of what ffprobe said of the same file, be it a failure", async () => {
      for (const said of [resultOf(7), FAILURE]) {
        const context = makeContext();
        await withCache(context, async (cache) => {
          await cache.set(PATH, STATE, said);
          assert.equal(await cache.set(PATH, STATE, partialOf(1), MEDIABOX), false);
          assert.deepEqual((await cache.get(PATH, STATE, any))?.result, said);
        });
        assert.deepEqual(await get(context, any), said);
      }
    });

    it("gives way to what ffprobe says, also when another process had it probed", async () => {
      const context = makeContext();
      await withCache(context, async (cache) => {
        await cache.set(PATH, STATE, partialOf(1), MEDIABOX);
        assert.deepEqual((await cache.get(PATH, STATE, any))?.result, partialOf(1));
        await put(context, 7);
        assert.deepEqual((await cache.get(PATH, STATE))?.result, resultOf(7));
        assert.equal(await cache.set(PATH, STATE, partialOf(2), MEDIABOX), false);
      });
      assert.deepEqual(await get(context, any), resultOf(7));
    });

    it("takes the place of a result for a file that is another one by now, and of an older part", async () => {
      const context = makeContext();
      await withCache(context, (cache) => cache.set(PATH, { ...STATE, size: 5n }, resultOf(7)));
      assert.equal(await set(context, partialOf(1)), true);
      assert.equal(await set(context, partialOf(2)), true);
      assert.deepEqual(await get(context, any), partialOf(2));
    });

    it("is shared through Redis, marked as what it is", async () => {
      const redis = await startRedis();
      const [one, two] = [makeContext({ redisUrl: redis.url }), makeContext({ redisUrl: redis.url })];
      await set(one, partialOf(1));
      assert.equal(await get(two), undefined);
      await withCache(two, async (cache) => {
        assert.deepEqual(await cache.get(PATH, STATE, any), { result: partialOf(1), ...MEDIABOX });
        assert.deepEqual(await cache.peek(PATH, STATE), { result: partialOf(1), ...MEDIABOX });
      });
      await redis.kill();
      assert.deepEqual(await get(two, any), partialOf(1));
    });

    it("of one host does not hide in Redis what ffprobe said on another", async () => {
      const redis = await startRedis();
      const [one, two, three, four] = Array.from({ length: 4 }, () => makeContext({ redisUrl: redis.url }));
      assert.ok(one && two && three && four);
      await set(one, partialOf(1));
      await put(two, 7);
      assert.equal(redis.ask("dbsize").trim(), "1");
      assert.deepEqual(await get(one), resultOf(7));
      // This host knows nothing of it.
      assert.equal(await set(three, partialOf(2)), true);
      assert.equal(redis.ask("dbsize").trim(), "2");
      for (const accepts of [any, undefined]) assert.deepEqual(await get(four, accepts), resultOf(7));
      assert.deepEqual(await get(three), resultOf(7));
    });
  });
}

describe("what is forgotten", () => {
  it("may be partial results alone, here and in Redis", async () => {
    const redis = await startRedis();
    const context = probeContext({ redisUrl: redis.url });
    await set(context, partialOf(1));
    await withCache(context, (cache) => cache.set("/media/b.mkv", STATE, resultOf(7)));
    const { entries, shared } = await invoke(invalidate, { state: "partial" }, context);
    assert.deepEqual([entries, shared], [1, "forgotten"]);
    assert.equal(redis.ask("keys", "*").trim(), "cache-ops:probe:/media/b.mkv");
    assert.equal(await get(context, any), undefined);
  });

  it("is everything, parts and all", async () => {
    const redis = await startRedis();
    const context = probeContext({ redisUrl: redis.url });
    await set(context, partialOf(1));
    assert.equal((await invoke(invalidate, { all: true }, context)).entries, 1);
    assert.equal(redis.ask("dbsize").trim(), "0");
  });
});
