import { randomUUID } from "node:crypto";

import type { Context } from "../../context.ts";
import { CacheOpsError } from "../../errors.ts";
import { printable } from "../../printable.ts";
import { linkRedis, type RedisScript } from "../../redis-link.ts";
import { throwIfAborted } from "../../time-limit.ts";
import { parseDuration } from "../../units.ts";
import type { Lease, ManagedStore } from "./managed-store.ts";
import { readEntries, type RedisRegister } from "./redis-entries.ts";
import { readCandidates, readSums, scan } from "./redis-scan.ts";
import * as scripts from "./redis-scripts.ts";
import type { ManagedCache } from "./settings.ts";
import { warnOfOthers } from "./redis-warnings.ts";

/** Which cache has the shared keys behind which prefix: a hash, prefix → name. */
const CLAIMS = "cacheops:prefixes";
const BATCH = 500;

/**
 * The register of a managed cache in Redis or Valkey, shared by every host that has a cache of this name configured:
 * they must see the same root.
 *
 * It lies in two places. Ours is `cacheops:{cache name}:…`. Beside it, behind `redisPrefix`, stand the keys of seed
 * 004's backend (`dir:`, `cache:lru`, `cache:bytes`, `lock:dir:`), kept as that backend would, so that both see what the
 * other does: a use, a registration, a lock. A prefix belongs to one cache; the first to open with it has it.
 *
 * A directory that only the backend knows is an entry of 0 bytes and 0 files until it is registered with its size.
 * What we say of expiry follows from the last use and the TTL, never from a key that is gone.
 *
 * Throws `invalid_input` without a URL, or when the prefix is another cache's; `unavailable` when Redis is not reached.
 */
export async function openRedisStore(cache: ManagedCache, context: Context): Promise<ManagedStore> {
  const own = `cacheops:${cache.name}:`;
  const shared = cache.redisPrefix;
  const ttl = cache.ttl === undefined ? undefined : parseDuration(cache.ttl) * 1000;
  if (context.redisUrl === undefined) {
    throw new CacheOpsError(
      "invalid_input",
      `the register of ${cache.name} is to be in Redis, but no server is named`,
      {
        hint: "Set CACHE_OPS_REDIS_URL (or CACHE_OPS_REDIS_URL_FILE) to redis://host:port, or managed.store to embedded.",
      },
    );
  }
  const link = linkRedis(context.redisUrl, parseDuration(context.configuration.timeLimit));
  const words = (at = context.now()) => [own, shared, ttl === undefined ? "" : String(ttl), String(Math.round(at))];
  const register: RedisRegister = {
    cache,
    link,
    ttl,
    now: context.now,
    words,
    goOn: () => throwIfAborted(context.signal),
  };
  const run = (script: RedisScript, at: number | undefined, ...more: readonly string[]) =>
    link.run(script, [...words(at), ...more]);
  try {
    await claim(register);
  } catch (error) {
    link.close();
    throw error;
  }
  return {
    name: "redis",
    async get(path) {
      const text = await run(scripts.GET, undefined, path);
      return readEntries(register, text === null ? [] : [path, text])[0];
    },
    async register(registrations, at) {
      for (let start = 0; start < registrations.length; start += BATCH) {
        register.goOn();
        const said = registrations.slice(start, start + BATCH).flatMap(({ path, bytes, files, ...more }) => {
          if (path.includes("\0"))
            throw new CacheOpsError("invalid_input", `"${printable(path)}" holds a NUL character`);
          const { refillSeconds: refill, accessedAt } = more;
          const used = accessedAt === undefined ? "" : String(Math.round(accessedAt));
          return [path, String(bytes), String(files), refill === undefined ? "" : String(refill ?? "-"), used];
        });
        await run(scripts.REGISTER, at, ...said);
      }
    },
    touch: async (path, at) => (await run(scripts.TOUCH, at, path)) === 1,
    setPinned: async (path, isPinned) => (await run(scripts.PIN, undefined, path, isPinned ? "1" : "0")) === 1,
    async forget(paths) {
      let count = 0;
      for (let start = 0; start < paths.length; start += BATCH) {
        count += Number(await run(scripts.FORGET, undefined, ...paths.slice(start, start + BATCH)));
      }
      return count;
    },
    async list({ offset, limit, newestFirst }) {
      if (limit <= 0) return [];
      const range = [String(offset), String(offset + limit - 1), newestFirst ? "newest" : ""];
      let answer = await run(scripts.LIST, undefined, ...range);
      // Somebody emptied the shared index: going through all of ours fills it again.
      for (let attempt = 0; answer === null && attempt < 3; attempt += 1) {
        for await (const _ of scan(register));
        answer = await run(scripts.LIST, undefined, ...range);
      }
      if (answer === null) {
        throw new CacheOpsError("unavailable", `another program keeps emptying ${shared}cache:lru in Redis`, {
          hint: "Set managed.redisPrefix, so that this cache has keys of its own.",
        });
      }
      return readEntries(register, answer);
    },
    candidates: () => readCandidates(register),
    async totals() {
      const sums = await readSums(register);
      const counters = await link.ask((client) => client.hGetAll(`${own}counters`));
      const counter = (name: string) => Number(counters[name] ?? 0);
      return {
        ...sums,
        hits: counter("hits"),
        misses: counter("misses"),
        evictions: counter("evictions"),
        reclaimedBytes: counter("reclaimedBytes"),
      };
    },
    async countEvictions(directories, bytes) {
      await run(scripts.COUNT_EVICTIONS, undefined, String(directories), String(bytes));
    },
    async lease(path, seconds) {
      const token = `${own}${randomUUID()}`;
      const milliseconds = String(Math.ceil(seconds * 1000));
      const isHeld = (await run(scripts.LEASE, undefined, path, token, milliseconds)) === 1;
      return isHeld ? leaseOf(register, path, `${shared}lock:dir:${path}`, token) : undefined;
    },
    warnings: () => warnOfOthers(register, shared, own),
    close: async () => link.close(),
  };
}

function leaseOf({ link, words }: RedisRegister, path: string, key: string, token: string): Lease {
  return {
    async assertHeld() {
      if ((await link.ask((client) => client.get(key))) === token) return;
      throw new CacheOpsError("locked", `the lease on ${printable(path)} ended or was lost`, {
        hint: "Nothing was done to it. Try again.",
      });
    },
    async release() {
      await link.run(scripts.RELEASE, [...words(), path, token]);
    },
  };
}

/** Makes sure that no two caches write to the same shared keys. */
async function claim({ cache: { name, redisPrefix }, link }: RedisRegister): Promise<void> {
  const holder = await link.ask(async (client) => {
    await client.hSetNX(CLAIMS, redisPrefix, name);
    return client.hGet(CLAIMS, redisPrefix);
  });
  if (holder === name) return;
  const where = redisPrefix === "" ? "without a prefix" : `with the prefix ${redisPrefix}`;
  throw new CacheOpsError(
    "invalid_input",
    `the keys ${where} in this Redis belong to the managed cache ${printable(holder ?? "")}, not to ${name}`,
    {
      hint: `Set managed.redisPrefix of ${name} to "${name}:". If it was renamed: redis-cli HDEL ${CLAIMS} "${redisPrefix}".`,
    },
  );
}
