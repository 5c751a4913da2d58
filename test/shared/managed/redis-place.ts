import type { ManagedStore } from "../../../shared/caches/managed/managed-store.ts";
import { openRedisStore } from "../../../shared/caches/managed/redis-store.ts";
import type { ManagedCache } from "../../../shared/caches/managed/settings.ts";
import { makeContext } from "../../support/context.ts";
import { startRedis, type RedisServer } from "../probe/redis-server.ts";
import { managedCache } from "./store-settings.ts";

/** A Redis that is empty before each test, and registers in it that are closed after each. */
export interface RedisPlace {
  readonly open: (settings?: Partial<ManagedCache>, now?: () => number) => Promise<ManagedStore>;
  /** What `redis-cli` printed, without the line's end. */
  readonly ask: (...words: readonly string[]) => string;
  readonly keys: (pattern?: string) => readonly string[];
  /** What the backend of seed 004 does when it registers a directory that it has just measured. */
  readonly backendRegisters: (path: string, bytes: number, at?: number) => void;
}

/** Prepares such a place for the `describe` that this is called in. */
export function prepareRedis(): RedisPlace {
  let server: RedisServer;
  const opened: ManagedStore[] = [];
  before(async () => {
    server = await startRedis();
  });
  beforeEach(() => server.ask("flushall"));
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close();
  });
  const ask = (...words: readonly string[]) => server.ask(...words).replace(/\n$/, "");
  return {
    async open(settings = {}, now = () => Date.now()) {
      const store = await openRedisStore(managedCache(settings), makeContext({ redisUrl: server.url, now }));
      opened.push(store);
      return store;
    },
    ask,
    keys: (pattern = "*") => JSON.parse(ask("--json", "keys", pattern)) as string[],
    backendRegisters(path, bytes, at = Date.now()) {
      ask("setex", `dir:${path}`, "86400", String(at / 1000));
      ask("zadd", "cache:lru", String(at / 1000), path);
      ask("incrby", "cache:bytes", String(bytes));
    },
  };
}
