import type { Context } from "../../context.ts";
import { parseDuration } from "../../units.ts";
import { probeFileOf } from "./database.ts";
import { makeProbeMemory } from "./memory.ts";
import type { Accepts, CachedProbe, MediaState, ProbeCache } from "./probe-cache.ts";
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
  const find = async (path: string, state: MediaState, accepts: Accepts): Promise<StoredEntry | undefined> => {
    const isValid = (entry: StoredEntry | undefined): entry is StoredEntry =>
      isOf(entry, state) && isFresh(entry.at) && (entry.result.state !== "partial" || accepts(entry.result));
    memory.follow(store.generation());
    const remembered = memory.get(path);
    if (isValid(remembered)) return remembered;
    const stored = store.find(path);
    if (isValid(stored)) {
      memory.set(path, stored);
      return stored;
    }
    const brought = (await shared?.get(path))?.find(isValid);
    if (brought === undefined) return undefined;
    store.put(path, brought);
    memory.set(path, brought);
    return brought;
  };
  return {
    async get(path, state, accepts = () => false) {
      const found = await find(path, state, accepts);
      store.count(found === undefined ? "misses" : "hits");
      if (found === undefined) return undefined;
      store.touch(path);
      return asked(found);
    },
    async peek(path, state) {
      const stored = store.find(path);
      return isOf(stored, state) ? asked(stored) : undefined;
    },
    async set(path, { size, mtimeNs }, result, source) {
      const entry = { size, mtimeNs, result, ...(source ?? { origin: "ffprobe", at: now() }) };
      if (source === undefined) store.count("probes");
      if (source === undefined && result.state === "failed") store.count("failures");
      memory.delete(path);
      if (!store.put(path, entry)) return false;
      await shared?.set(path, entry);
      return true;
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

function isOf(entry: StoredEntry | undefined, { size, mtimeNs }: MediaState): entry is StoredEntry {
  return entry !== undefined && entry.size === size && entry.mtimeNs === mtimeNs;
}

function asked({ result, at, origin }: StoredEntry): CachedProbe {
  return { result, at, origin };
}
