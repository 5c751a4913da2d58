import type { Context } from "../../context.ts";
import type { ManagedStore } from "./managed-store.ts";
import type { ManagedCache } from "./settings.ts";

/**
 * Opens the register of a managed cache. It must be closed.
 *
 * Throws `unavailable` when it cannot be reached.
 */
export async function openManagedStore(cache: ManagedCache, context: Context): Promise<ManagedStore> {
  if (cache.store === "redis") {
    const { openRedisStore } = await import("./redis-store.ts");
    return openRedisStore(cache, context);
  }
  const { openEmbeddedStore } = await import("./embedded-store.ts");
  return openEmbeddedStore(cache, context);
}

/** Runs `work` on the register of a managed cache and closes it. */
export async function withManagedStore<T>(
  cache: ManagedCache,
  context: Context,
  work: (store: ManagedStore) => Promise<T>,
): Promise<T> {
  const store = await openManagedStore(cache, context);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}
