import { errors, json, type Part } from "./openapi-parts.ts";

const ENGINE = {
  type: "object",
  required: ["engine", "container_id", "container_name", "stream_count", "last_cache_cleanup", "cache_size_bytes"],
  properties: {
    engine: { type: "string", description: "Name of the engine cache in the configuration." },
    container_id: { type: "string" },
    container_name: { type: "string" },
    stream_count: {
      type: ["integer", "null"],
      description: "Streams that play on it; null: it cannot be told. The orchestrator has their names.",
    },
    last_cache_cleanup: { type: ["string", "null"], format: "date-time", description: "null: never." },
    cache_size_bytes: {
      type: ["integer", "null"],
      description: "Bytes that were in its cache before the last cleanup; null: it was never cleaned.",
    },
  },
};

/** The documented route of engines. */
export const ENGINE_PATHS: Part = {
  "/engines": {
    get: {
      operationId: "engineList",
      summary: "Engines, and when their caches were cleaned",
      tags: ["Engines"],
      responses: {
        200: {
          description: "What is known, some seconds old at most.",
          headers: {
            "cache-ops-missing": {
              description: "Names of engine caches that could not be looked at, or not whole. Absent: all were.",
              schema: { type: "string" },
            },
          },
          ...json({ type: "array", items: ENGINE }),
        },
        ...errors(400, 401, 403, 429, 500),
        503: {
          description: "None of the engine caches can be looked at, or the service is stopping.",
          ...json({ $ref: "#/components/schemas/Error" }),
        },
      },
    },
  },
};
