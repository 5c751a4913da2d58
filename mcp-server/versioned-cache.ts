import { LRUCache } from "lru-cache";

/** Values by name, all of which can be cleared at once. */
export interface VersionedCache<V extends object> {
  /**
   * The value of this name, made where it is not known. Who asks while it is being made waits for the same one. What
   * was made, or begun to be, before a {@link VersionedCache.clear} is not answered after it: it is made anew. Throws
   * what `make` throws, and keeps nothing of that.
   */
  readonly get: (name: string, make: () => Promise<V>) => Promise<V>;
  /** Nothing that is known now is answered any more. Takes the same time however much that is. */
  readonly clear: () => void;
}

/** How much is kept, and for how long. */
export interface CacheLimits {
  readonly max: number;
  /** How long a value holds from the time on at which it was made. */
  readonly ttlMs: number;
}

/**
 * An empty cache. Its keys carry a version, and clearing begins the next one: what is of an older version is not found
 * any more, and goes when its time is over or others need its place.
 */
export function makeVersionedCache<V extends object>({ max, ttlMs }: CacheLimits): VersionedCache<V> {
  const kept = new LRUCache<string, V>({ max, ttl: ttlMs, ttlAutopurge: true });
  const making = new Map<string, Promise<V>>();
  let version = 0;

  const makeAndKeep = async (key: string, make: () => Promise<V>) => {
    const value = await make();
    kept.set(key, value);
    return value;
  };
  const begin = (key: string, make: () => Promise<V>) => {
    const value = makeAndKeep(key, make).finally(() => making.delete(key));
    making.set(key, value);
    return value;
  };
  return {
    get: async (name, make) => {
      for (;;) {
        const asked = version;
        const key = `v${asked} ${name}`;
        const known = kept.get(key);
        if (known !== undefined) return known;
        const made = await (making.get(key) ?? begin(key, make));
        if (asked === version) return made;
      }
    },
    clear: () => {
      version += 1;
    },
  };
}
