import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";

import { withObjectStore, type ObjectStore } from "../../../shared/caches/managed/object-storage.ts";
import type { ObjectStorage } from "../../../shared/caches/managed/settings.ts";
import { makeContext } from "../../support/context.ts";
import { failsWith } from "../../support/runs.ts";
import { startStandIn } from "../probe/redis-server.ts";
import { S3_KEYS, startProxy, startS3 } from "./s3-server.ts";

const context = makeContext({ objectStorageKeys: S3_KEYS, config: { timeLimit: "5s" } });
const on = <T>(settings: ObjectStorage, work: (store: ObjectStore) => Promise<T>) =>
  withObjectStore(settings, context, work);

/** So many pieces of 100,001 bytes, all different. */
async function* pieces(count: number): AsyncGenerator<Buffer> {
  for (let index = 0; index < count; index += 1) yield Buffer.alloc(100_001, `piece ${index} `);
}

async function digestOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}

describe("an object store", () => {
  it("gives back what it was given, whether it went in one part or several", async () => {
    const { settings } = await startS3();
    await on(settings, async (store) => {
      for (const count of [0, 1, 250]) {
        await store.put(`a/${count}`, pieces(count), count * 100_001);
        assert.equal(await store.head(`a/${count}`), count * 100_001);
        assert.equal(await digestOf(await store.get(`a/${count}`)), await digestOf(pieces(count)));
      }
    });
  });

  it("lists what begins with some letters, page by page, and removes; twice does no harm", async () => {
    const { settings } = await startS3();
    await on(settings, async (store) => {
      const keys = Array.from({ length: 1005 }, (_, index) => `many/${String(index).padStart(4, "0")}`);
      for (let start = 0; start < keys.length; start += 50) {
        await Promise.all(keys.slice(start, start + 50).map((key) => store.put(key, pieces(0), 0)));
      }
      await store.put("other/x", pieces(1), 0);
      const found: string[] = [];
      for await (const { key, size } of store.list("many/")) found.push(`${key} ${size}`);
      assert.deepEqual(
        found,
        keys.map((key) => `${key} 0`),
      );
      for (let time = 0; time < 2; time += 1) await store.delete("other/x");
      assert.equal(await store.head("other/x"), undefined);
      await assert.rejects(store.get("other/x"), failsWith("not_found"));
    });
  });

  it("that says nothing is not waited for", async () => {
    const endpoint = (await startStandIn(undefined)).replace("redis:", "http:");
    const { settings } = await startS3();
    await on({ ...settings, endpoint }, async (store) => {
      await assert.rejects(store.head("x"), failsWith("unavailable"));
      await assert.rejects(store.put("x", pieces(1), 1), failsWith("unavailable"));
    });
  });

  it("that is no object store is refused", async () => {
    const endpoint = (await startStandIn("HTTP/1.1 200 OK\r\n\r\nhello")).replace("redis:", "http:");
    const { settings } = await startS3();
    await on({ ...settings, endpoint }, async (store) => {
      await assert.rejects(store.put("x", pieces(250), 25_000_000), failsWith("unavailable"));
    });
  });

  it("has nothing of an upload whose content could not be had, or that was stopped", async () => {
    const { settings } = await startS3();
    const stop = new AbortController();
    await on(settings, async (store) => {
      const failing = (async function* () {
        yield* pieces(120);
        throw new Error("the disk failed");
      })();
      await assert.rejects(store.put("half", failing, 25_000_000));
      assert.equal(await store.head("half"), undefined);
    });
    await withObjectStore(settings, { ...context, signal: stop.signal }, async (store) => {
      const endless = (async function* () {
        for (let sent = 0; ; sent += 1) {
          if (sent === 150) stop.abort();
          yield Buffer.alloc(100_001, sent);
          await delay(1);
        }
      })();
      await assert.rejects(store.put("endless", endless, 25_000_000), failsWith("interrupted"));
    });
    assert.equal(await on(settings, (store) => store.head("endless")), undefined);
  });

  it("that stops in the middle of a download is noticed", async () => {
    const { settings } = await startS3();
    await on(settings, (store) => store.put("x", pieces(3), 0));
    const endpoint = await startProxy(settings.endpoint ?? "", () => "fail");
    await on({ ...settings, endpoint }, async (store) => {
      await assert.rejects(async () => digestOf(await store.get("x")), failsWith("unavailable"));
    });
  });
});
