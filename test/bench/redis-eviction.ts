import { linkRedis, type RedisClient } from "../../shared/redis-link.ts";

const LRU = "cache-ops-bench:lru";
const SIZES = "cache-ops-bench:bytes";
const LOADED_AT_ONCE = 10_000;
const TAKEN_AT_ONCE = 1000;
const LIMIT_SECONDS = 600;

/**
 * How long Redis itself takes for what `chooseVictims` does, in seconds: the longest unused of so many directories
 * leave a sorted set, a thousand at a time, until 5 % of the bytes are free. Removes its keys again.
 */
export async function evictInRedis(url: string, directories: number): Promise<number> {
  const link = linkRedis(url, LIMIT_SECONDS);
  try {
    return await link.ask(async (client) => {
      try {
        const bytes = await load(client, directories);
        const begun = performance.now();
        await evict(client, bytes / 20);
        return (performance.now() - begun) / 1000;
      } finally {
        await client.del([LRU, SIZES]);
      }
    });
  } finally {
    link.close();
  }
}

/** Returns the bytes of all of them: spread over time and size as by chance, and the same every time. */
async function load(client: RedisClient, directories: number): Promise<number> {
  let bytes = 0;
  for (let start = 0; start < directories; start += LOADED_AT_ONCE) {
    const some = Array.from({ length: Math.min(LOADED_AT_ONCE, directories - start) }, (_, place) => {
      const number = start + place;
      const [score, size] = [Math.imul(number, 48_271) >>> 0, Math.imul(number, 69_621) >>> 2];
      bytes += size;
      return { value: `Artist ${number % 50_000}/Album ${number} (2026)`, score, size };
    });
    await client.zAdd(LRU, some);
    await client.hSet(SIZES, Object.fromEntries(some.map(({ value, size }) => [value, size])));
  }
  return bytes;
}

async function evict(client: RedisClient, neededBytes: number): Promise<void> {
  for (let freed = 0; freed < neededBytes;) {
    const oldest = await client.zPopMinCount(LRU, TAKEN_AT_ONCE);
    const names = oldest.map(({ value }) => value);
    const sizes = await client.hmGet(SIZES, names);
    freed += sizes.reduce((sum, size) => sum + Number(size), 0);
  }
}
