import { Type } from "typebox";

import type { Context } from "../../context.ts";
import { makeRedisClient, redisTrouble, type RedisClient } from "../../redis-link.ts";
import { answerWithin } from "../../time-limit.ts";
import { matches } from "../../validate.ts";
import type { StoredEntry } from "./store.ts";
import { pack, SCHEMA_VERSION, unpackResult } from "./stored.ts";

/**
 * Redis or Valkey behind the store, by which several hosts that see the same paths share results. Nothing it does or
 * fails to do ever throws or takes longer than {@link LIMIT_SECONDS}; after a failure it is left alone for a while.
 */
export interface SharedProbes {
  /** What is there for a path, valid or not: a whole result before a part. */
  get(path: string): Promise<readonly StoredEntry[]>;
  set(path: string, entry: Omit<StoredEntry, "bytes">): Promise<void>;
  /** Forgets these paths, or everything of ours; `false` when that is not certain. */
  forget(paths: readonly string[] | "all"): Promise<boolean>;
  /** Why it cannot be used, in a few words without any secret; `undefined` when it answers. */
  trouble(): Promise<string | undefined>;
  close(): Promise<void>;
}

/** Every key of ours begins with this. */
const REDIS_PREFIX = "cache-ops:probe:";
/** A part has a key of its own, so that no host can put one over the whole of another. Paths are absolute: no clash. */
const PART_PREFIX = `${REDIS_PREFIX}partial:`;
const LIMIT_SECONDS = 3;
const PAUSE_MS = 30_000;
/** Keys of files that nobody asks for any more go by themselves. */
const KEEP_SECONDS = 90 * 86_400;
const MAX_VALUE_CHARACTERS = 32 * 1024 * 1024;

const StoredValue = Type.Object({
  size: Type.String({ pattern: "^[0-9]{1,20}$" }),
  mtimeNs: Type.String({ pattern: "^-?[0-9]{1,25}$" }),
  schema: Type.String(),
  /** Versions before this one did not say. */
  origin: Type.String({ default: "redis", maxLength: 40 }),
  at: Type.Integer(),
  data: Type.String(),
});

/** The layer for a URL (`redis://`, `rediss://` or `unix://[:password@]/path`). Connects on first use. */
export function shareProbes(url: string, { now, log }: Pick<Context, "now" | "log">): SharedProbes {
  let connection: { readonly client: RedisClient; readonly ready: Promise<unknown> } | undefined;
  let pausedUntil = 0;
  let trouble: string | undefined;
  const drop = () => {
    // While it still connects, too: a server that accepts and never answers must not be waited for.
    if (connection?.client.isOpen === true) connection.client.destroy();
    connection = undefined;
  };
  const connected = async () => {
    // A CommonJS module has but a default export once it is bundled.
    const { default: redis } = await import("redis");
    if (connection === undefined) {
      const client = makeRedisClient(redis, url, LIMIT_SECONDS);
      connection = { client, ready: client.connect() };
    }
    const { client, ready } = connection;
    await ready;
    return client;
  };
  /** The answer, or `undefined` when there is none in time. */
  const ask = async <T>(work: (client: RedisClient) => Promise<T>): Promise<{ readonly answer: T } | undefined> => {
    if (now() < pausedUntil) return undefined;
    try {
      const answer = await answerWithin(connected().then(work), LIMIT_SECONDS, "Redis");
      trouble = undefined;
      return { answer };
    } catch (error) {
      // Whatever goes wrong there must not stop anything here: it is noted, and the embedded store goes on alone.
      if (trouble === undefined) log("Redis is left alone", { reason: redisTrouble(error) });
      trouble = redisTrouble(error);
      pausedUntil = now() + PAUSE_MS;
      drop();
      return undefined;
    }
  };
  return {
    async get(path) {
      const asked = await ask((client) => client.mGet(keysOf(path)));
      return (asked?.answer ?? []).flatMap((value) => (typeof value === "string" ? read(value) : []));
    },
    async set(path, { size, mtimeNs, result, at, origin }) {
      const data = pack(result).toString("base64");
      const value = { size: String(size), mtimeNs: String(mtimeNs), schema: SCHEMA_VERSION, origin, at, data };
      const [whole, part] = keysOf(path);
      await ask(async (client) => {
        const key = result.state === "partial" ? part : whole;
        await client.set(key, JSON.stringify(value), { EX: KEEP_SECONDS });
        if (key === whole) await client.unlink(part);
      });
    },
    async forget(paths) {
      if (paths !== "all") {
        for (let start = 0; start < paths.length; start += 1000) {
          const keys = paths.slice(start, start + 1000).flatMap(keysOf);
          if ((await ask((client) => client.unlink(keys))) === undefined) return false;
        }
        return true;
      }
      let cursor = "0";
      do {
        const from = cursor;
        const found = await ask(async (client) => {
          const page = await client.scan(from, { MATCH: `${REDIS_PREFIX}*`, COUNT: 1000 });
          if (page.keys.length > 0) await client.unlink(page.keys);
          return page.cursor;
        });
        if (found === undefined) return false;
        cursor = found.answer;
      } while (cursor !== "0");
      return true;
    },
    async trouble() {
      await ask((client) => client.ping());
      return trouble;
    },
    close: async () => drop(),
  };
}

function keysOf(path: string): [whole: string, part: string] {
  return [REDIS_PREFIX + path, PART_PREFIX + path];
}

function read(text: string): StoredEntry[] {
  if (text.length > MAX_VALUE_CHARACTERS) return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return [];
  }
  if (!matches(StoredValue, value)) return [];
  const { size, mtimeNs, schema, origin, at, data } = value;
  const bytes = Buffer.from(data, "base64");
  const result = unpackResult(bytes, schema);
  if (result === undefined) return [];
  return [{ size: BigInt(size), mtimeNs: BigInt(mtimeNs), result, at, origin, bytes: bytes.length }];
}
