import type { Context } from "../../context.ts";
import { parseDuration } from "../../units.ts";
import { probeFileOf } from "./database.ts";
import { makeProbeMemory } from "./memory.ts";
import type { CachedProbe, MediaState, ProbeCache } from "./probe-cache.ts";
import { shareProbes } from "./redis.ts";
import { openProbeStore, type StoredEntry } from "./store.ts";

/** What the probe cache needs of a context. */
export type ProbeContext = Pick<Context, "now" | "log" | "configuration" | "state" | "stateDirectory" | "redisUrl">;

/**
 * Opens the central cache: memory in front, the embedded store behind it, and Redis behind that when it is configured.
 * A result found further back is brought to the front.
 *
 * Throws `corrupt` when the store is damaged, `unavailable` when it cannot be used; Redis never makes it throw.
 */
export async function openProbeCache(context: ProbeContext): Promise<ProbeCache> {
  const { configuration, now, redisUrl } = context;
  const store = openProbeStore(probeFileOf(context), context);
  const memory = makeProbeMemory(configuration.probe);
  const shared = redisUrl === undefined ? undefined : shareProbes(redisUrl, context);
  const ttl = configuration.probe.ttl;
  const isFresh = (at: number) => ttl === undefined || now() - at < parseDuration(ttl) * 1000;
  const isValid = (entry: StoredEntry | undefined, { size, mtimeNs }: MediaState): entry is StoredEntry =>
    entry !== undefined && entry.size === size && entry.mtimeNs === mtimeNs && isFresh(entry.at);

  const find = async (path: string, state: MediaState): Promise<CachedProbe | undefined> => {
    memory.follow(store.generation());
    const remembered = memory.get(path);
    if (isValid(remembered, state)) return remembered;
    const stored = store.find(path);
    if (isValid(stored, state)) {
      memory.set(path, stored);
      return stored;
    }
    const brought = await shared?.get(path);
    if (!isValid(brought, state)) return undefined;
    store.put(path, brought, "redis");
    memory.set(path, brought);
    return brought;
  };
  return {
    async get(path, state) {
      const found = await find(path, state);
      store.count(found === undefined ? "misses" : "hits");
      if (found === undefined) return undefined;
      store.touch(path);
      return { result: found.result, at: found.at };
    },
    async set(path, state, result, source) {
      const entry = { size: state.size, mtimeNs: state.mtimeNs, result, at: source?.at ?? now() };
      if (source === undefined) store.count("probes");
      if (source === undefined && result.state === "failed") store.count("failures");
      memory.delete(path);
      store.put(path, entry, source?.origin ?? "ffprobe");
      await shared?.set(path, entry);
    },
    async getDirectory(path, digest) {
      const files = store.findDirectory(path, digest);
      if (files === undefined || !files.every(({ at }) => isFresh(at))) return undefined;
      for (const file of files) {
        store.count("hits");
        store.touch(file.path);
      }
      return files;
    },
    async setDirectory(path, digest, files) {
      store.putDirectory(path, digest, files);
    },
    async close() {
      try {
        store.close();
      } finally {
        await shared?.close();
      }
    },
  };
}
