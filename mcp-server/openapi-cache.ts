import { errors, json, type Part } from "./openapi-parts.ts";

const CACHE = {
  name: "cache",
  in: "query",
  required: false,
  description: "The managed cache; needed where several are configured.",
  schema: { type: "string" },
};

const PATH = {
  name: "path",
  in: "path",
  required: true,
  description: "The directory, relative to the root of its cache. Slashes may stand as they are or as %2F.",
  schema: { type: "string", minLength: 1 },
};

const MESSAGE = { type: "object", required: ["message"], properties: { message: { type: "string" } } };

const STATS = {
  type: "object",
  properties: {
    enabled: { type: "boolean" },
    total_bytes: { type: "integer" },
    total_directories: { type: "integer" },
    max_bytes: { type: ["integer", "null"] },
    usage_percent: { type: ["number", "null"] },
    quota_exceeded: { type: "boolean" },
    pinned: { type: "integer" },
    hits: { type: "integer" },
    misses: { type: "integer" },
    evictions: { type: "integer" },
    reclaimed_bytes: { type: "integer" },
  },
};

const DIRECTORY = {
  type: "object",
  properties: {
    path: { type: "string" },
    ttl_seconds: { type: ["number", "null"] },
    last_access: { type: ["string", "null"], format: "date-time" },
    size_bytes: { type: ["integer", "null"] },
    exists: { type: ["boolean", "null"], description: "null: it cannot be told, as when its disk does not answer." },
    expires_at: { type: ["string", "null"], format: "date-time" },
    pinned: { type: "boolean" },
  },
};

const REMOVED = {
  ...MESSAGE,
  properties: {
    ...MESSAGE.properties,
    run: { type: "string" },
    reclaimed_bytes: { type: "integer" },
    undo: {
      type: ["object", "null"],
      description: "What to POST where to take it back, and until when.",
      properties: { post: { type: "string" }, body: { type: "object" }, until: { type: ["string", "null"] } },
    },
  },
};

const STARTED = {
  ...MESSAGE,
  properties: { ...MESSAGE.properties, plan: { type: "string" }, run: { type: ["string", "null"] } },
};

/** The documented routes of managed caches, as far as the operations they stand for are offered. */
export function cachePaths(names: ReadonlySet<string>): Part {
  const has = (...needed: readonly string[]) => needed.every((name) => names.has(name));
  const changes = has("apply");
  const part = (
    operationId: string,
    summary: string,
    parameters: readonly Part[],
    responses: Part,
    failures: readonly number[],
  ) => ({
    operationId,
    summary,
    tags: ["Managed caches"],
    parameters,
    responses: { ...responses, ...errors(400, 401, 403, 404, ...failures, 429, 500, 503) },
  });
  const ok = (description: string, schema: Part) => ({ 200: { description, ...json(schema) } });
  const register = (id: string) =>
    part(id, "Register a directory", [PATH, CACHE], ok("Registered, with its size as measured.", MESSAGE), [423]);
  return {
    "/cache/stats": { get: part("cacheStats", "Statistics of managed caches", [CACHE], ok("Statistics.", STATS), []) },
    ...(has("directories") && {
      "/cache/directories": {
        get: part(
          "cacheDirectories",
          "Directories, the last used first",
          [
            CACHE,
            { name: "limit", in: "query", schema: { type: "integer", minimum: 1, maximum: 1000, default: 100 } },
            { name: "offset", in: "query", schema: { type: "integer", minimum: 0, default: 0 } },
          ],
          ok("Directories.", {
            type: "object",
            properties: { directories: { type: "array", items: DIRECTORY }, count: { type: "integer" } },
          }),
          [],
        ),
      },
    }),
    ...(has("info") && {
      "/cache/directories/{path}": {
        get: part("cacheDirectory", "One directory", [PATH, CACHE], ok("The directory.", DIRECTORY), []),
        ...(changes && {
          delete: part(
            "removeDirectory",
            "Forget a directory, or remove it from the disk",
            [PATH, CACHE, { name: "remove_files", in: "query", schema: { type: "boolean", default: false } }],
            ok("Forgotten; with remove_files also removed, verified, and how to take that back.", REMOVED),
            [409, 423],
          ),
        }),
      },
    }),
    ...(has("register") && {
      "/cache/directories/{path}/register": { post: register("registerDirectory") },
      "/cache/register/{path}": { post: register("registerPath") },
    }),
    ...(has("touch") && {
      "/cache/directories/{path}/touch": {
        post: part("touchDirectory", "Note a use", [PATH, CACHE], ok("Noted.", MESSAGE), [423]),
      },
    }),
    ...(has("evict", "apply") && {
      "/cache/cleanup": {
        post: part(
          "cleanCache",
          "Evict what is expired or over the quota",
          [CACHE],
          {
            ...ok("There was nothing to do.", STARTED),
            202: { description: "Begun; the address of its run is in Location.", ...json(STARTED) },
          },
          [409],
        ),
      },
    }),
    ...(has("schedule") && {
      "/cache/start-scheduler": {
        post: part("startScheduler", "Resume the schedules", [], ok("Resumed.", MESSAGE), []),
      },
      "/cache/stop-scheduler": {
        post: part("stopScheduler", "Pause the schedules", [], ok("Paused.", MESSAGE), []),
      },
    }),
  };
}
