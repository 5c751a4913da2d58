import type * as Redis from "redis";

import { CacheOpsError, errnoOf } from "./errors.ts";
import { printable } from "./printable.ts";
import { answerWithin } from "./time-limit.ts";

/** A client of Redis or Valkey, as {@link makeRedisClient} makes it. */
export type RedisClient = ReturnType<typeof makeRedisClient>;

/** A connection that is made on first use, and again after it was lost. */
export interface RedisLink {
  /**
   * What `work` got from the server. Throws `unavailable` when it is not reached, refuses, or takes longer than the time
   * limit; `corrupt` when a key holds what does not belong there. Nothing is sent twice.
   */
  ask<T>(work: (client: RedisClient) => Promise<T>): Promise<T>;
  /** Runs a Lua script in one piece and returns its answer. Throws as {@link RedisLink.ask} does. */
  run(script: RedisScript, words: readonly string[]): Promise<unknown>;
  close(): void;
}

/** A Lua script and what the server calls it: its SHA-1 in hex. */
export interface RedisScript {
  readonly text: string;
  readonly sha1: string;
}

const HINT = "Check CACHE_OPS_REDIS_URL and the server, then try again.";

/** A link to the server at `url` (see {@link makeRedisClient}); no single question takes longer than `limitSeconds`. */
export function linkRedis(url: string, limitSeconds: number): RedisLink {
  let connection: { readonly client: RedisClient; readonly ready: Promise<unknown> } | undefined;
  const drop = (client: RedisClient) => {
    if (connection?.client === client) connection = undefined;
    // While it still connects, too: a server that accepts and never answers must not be waited for.
    if (client.isOpen) client.destroy();
  };
  const connect = (redis: Pick<typeof Redis, "createClient">) => {
    const client = makeRedisClient(redis, url, limitSeconds);
    for (const event of ["error", "end"]) client.on(event, () => drop(client));
    return (connection = { client, ready: client.connect() });
  };
  const ask = async <T>(work: (client: RedisClient) => Promise<T>): Promise<T> => {
    // A CommonJS module has but a default export once it is bundled.
    const { default: redis } = await import("redis");
    const { client, ready } = connection ?? connect(redis);
    let isConnected = false;
    const answer = async () => {
      await ready;
      isConnected = true;
      return work(client);
    };
    try {
      return await answerWithin(answer(), limitSeconds, "Redis");
    } catch (error) {
      const isAnswer = isConnected && error instanceof redis.ErrorReply;
      if (isAnswer && error.message.includes("WRONGTYPE")) {
        throw new CacheOpsError("corrupt", "a key in Redis holds what does not belong there (WRONGTYPE)", {
          hint: "Another program uses the same names: set managed.redisPrefix, or take another database (/1 in the URL).",
        });
      }
      if (!isAnswer) drop(client);
      // No cause: the library's errors may hold the URL.
      throw new CacheOpsError("unavailable", `Redis: ${redisTrouble(error)}`, { hint: HINT });
    }
  };
  return {
    ask,
    run: (script, words) =>
      ask(async (client) => {
        const options = { keys: [], arguments: [...words] };
        try {
          return await client.evalSha(script.sha1, options);
        } catch (error) {
          if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
          return client.eval(script.text, options);
        }
      }),
    close() {
      if (connection !== undefined) drop(connection.client);
    },
  };
}

/**
 * A client for a URL (`redis://`, `rediss://` or `unix://[:password@]/path`) that neither queues nor reconnects.
 * Throws `invalid_input`, without the URL, for one that is none.
 */
export function makeRedisClient({ createClient }: Pick<typeof Redis, "createClient">, url: string, seconds: number) {
  const socket = { connectTimeout: seconds * 1000, reconnectStrategy: false } as const;
  const local = /^unix:(?:\/\/(?::([^@/]*)@)?)?(\/[^?]+)$/.exec(url);
  const [, password, path = ""] = local ?? [];
  const make = () =>
    createClient({
      ...(local === null
        ? { url, socket }
        : { socket: { ...socket, path: decodeURIComponent(path), tls: false as const } }),
      ...(password === undefined ? {} : { password: decodeURIComponent(password) }),
      RESP: 2,
      disableOfflineQueue: true,
      disableClientInfo: true,
      maintNotifications: "disabled",
    });
  let client: ReturnType<typeof make>;
  try {
    client = make();
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof URIError)) throw error;
    throw new CacheOpsError("invalid_input", "CACHE_OPS_REDIS_URL is no URL of a Redis server", {
      hint: "Write redis://[user:password@]host[:port][/database], rediss://… for TLS, or unix:///path/of/socket.",
    });
  }
  // Every command that waits gets the error, too, and there it is noted.
  client.on("error", () => undefined);
  return client;
}

/** An errno name, or the first word of what the server said (`WRONGPASS`, `NOAUTH`): never a text with the URL in it. */
export function redisTrouble(error: unknown): string {
  const errno = errnoOf(error);
  if (errno !== undefined) return errno;
  const message = error instanceof Error ? error.message : "";
  const word = /^[A-Z]{2,20}\b/.exec(message)?.[0];
  if (word === undefined && /closed|offline|disconnect/i.test(message)) return "connection lost";
  return printable(word ?? (error instanceof Error ? error.name : "unknown error"));
}
