import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";

import * as fc from "fast-check";

import { makeVersionedCache } from "../../mcp-server/versioned-cache.ts";

interface Made {
  /** How often the cache had been cleared when this was begun to be made. */
  readonly of: number;
  readonly number: number;
}

/** A cache of values that are finished when the test says so. */
function makeScene(ttlMs = 60_000) {
  const cache = makeVersionedCache<Made>({ max: 100, ttlMs });
  const unfinished: (() => void)[] = [];
  const counts = { cleared: 0, made: 0 };
  const make = () => {
    counts.made += 1;
    const value = { of: counts.cleared, number: counts.made };
    return new Promise<Made>((resolve) => unfinished.push(() => resolve(value)));
  };
  return {
    counts,
    get: (name: string) => cache.get(name, make),
    clear: () => {
      counts.cleared += 1;
      cache.clear();
    },
    /** Finishes what was begun first, and lets everybody who waits for it have it. */
    finish: async () => {
      unfinished.shift()?.();
      await setImmediate();
    },
    isBusy: () => unfinished.length > 0,
    cache,
  };
}

describe("the versioned cache", () => {
  it("makes a value once, also for many who ask while it is being made", async () => {
    const scene = makeScene();
    const asked = ["a", "a", "b", "a"].map((name) => scene.get(name));
    await scene.finish();
    await scene.finish();
    assert.deepEqual(
      (await Promise.all(asked)).map(({ number }) => number),
      [1, 1, 2, 1],
    );
    assert.equal((await scene.get("a")).number, 1);
    assert.equal(scene.counts.made, 2);
  });

  it("answers with nothing that was begun before it was cleared, and makes it anew for who already waits", async () => {
    const scene = makeScene();
    const waiting = scene.get("a");
    scene.clear();
    const later = scene.get("a");
    await scene.finish();
    await scene.finish();
    assert.deepEqual([(await waiting).of, (await later).of], [1, 1]);
    assert.equal((await scene.get("a")).of, 1);
    assert.equal(scene.counts.made, 2);
  });

  it("keeps no failure", async () => {
    const { cache } = makeScene();
    const failing = () => Promise.reject(new Error("down"));
    await assert.rejects(cache.get("a", failing), /down/);
    await assert.rejects(
      cache.get("a", () => {
        throw new Error("at once");
      }),
      /at once/,
    );
    assert.deepEqual(await cache.get("a", async () => ({ of: 0, number: 7 })), { of: 0, number: 7 });
  });

  it("makes a value anew when its time is over", async () => {
    const scene = makeScene(1);
    const first = scene.get("a");
    await scene.finish();
    await first;
    while (scene.counts.made === 1) {
      void scene.get("a");
      await setImmediate();
    }
    assert.equal(scene.counts.made, 2);
  });

  it("never answers with what is of an old version, whatever the order of asking, finishing and clearing", async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom("a", "b", "c").map((name) => ({ does: "get", name }) as const) },
      { weight: 3, arbitrary: fc.constant({ does: "finish" } as const) },
      { weight: 2, arbitrary: fc.constant({ does: "clear" } as const) },
    );
    let answers = 0;
    let clears = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const scene = makeScene();
        const asked: Promise<void>[] = [];
        const take = async (name: string) => {
          const { of } = await scene.get(name);
          assert.equal(of, scene.counts.cleared);
          answers += 1;
        };
        for (const taken of steps) {
          if (taken.does === "get") asked.push(take(taken.name));
          else if (taken.does === "finish") await scene.finish();
          else {
            scene.clear();
            clears += 1;
          }
          await setImmediate();
        }
        while (scene.isBusy()) await scene.finish();
        await Promise.all(asked);
      }),
      { numRuns: 300 },
    );
    assert.ok(answers > 100 && clears > 100, `${answers} answers, ${clears} clears`);
  });
});
