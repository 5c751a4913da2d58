import { ManagedCache } from "../../../shared/caches/managed/settings.ts";
import { parse } from "../../../shared/validate.ts";

/** A cache as the configuration would give it. */
export function managedCache(settings: Partial<ManagedCache> = {}): ManagedCache {
  return parse(ManagedCache, { name: "films", root: "/srv/films", ...settings }, "managed cache");
}
