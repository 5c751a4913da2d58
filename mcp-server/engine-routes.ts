import { CacheOpsError, type EngineCacheRow } from "@cache-ops/shared";

import { answerJson } from "./http-answer.ts";
import type { Methods } from "./route.ts";
import type { Status } from "./status.ts";

/** Names of the engine caches that could not be looked at, or not whole, in an answer that holds the others. */
const MISSING = "cache-ops-missing";

/** The address of the orchestrator under which the caches of engines are seen. */
export function engineRoutes({ engines }: Pick<Status, "engines">): Map<string, Methods> {
  const answer = async ({ query }: { readonly query: URLSearchParams }) => {
    if (query.size > 0) throw new CacheOpsError("invalid_input", "this address takes no parameters");
    const looks = await Promise.all([...engines()].map(async ([name, look]) => ({ name, ...(await look) })));
    const rows = looks.flatMap((look) => look.rows);
    const missing = looks.filter(({ troubles }) => troubles.length > 0);
    if (rows.length === 0 && missing.length > 0 && missing.length === looks.length) {
      throw new CacheOpsError("unavailable", looks.flatMap(({ troubles }) => troubles).join("; "), {
        hint: "Check that the container engine runs, and its socket in the configuration.",
      });
    }
    const headers = missing.length === 0 ? {} : { [MISSING]: missing.map(({ name }) => name).join(", ") };
    return answerJson(200, rows.map(bodyOf), headers);
  };
  return new Map<string, Methods>([["/engines", { GET: { answer } }]]);
}

/** A cache in a container in the words of the documented route. Of streams their number is known, not their names. */
function bodyOf({ engine, container, containerId, use, streams, lastCacheCleanup, cacheSizeBytes }: EngineCacheRow) {
  return {
    engine,
    container_id: containerId,
    container_name: container,
    stream_count: use === "unknown" ? null : streams,
    last_cache_cleanup: lastCacheCleanup,
    cache_size_bytes: cacheSizeBytes,
  };
}
