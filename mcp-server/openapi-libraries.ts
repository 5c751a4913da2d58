import { ByProblem, Finding, Trouble } from "@cache-ops/shared";

import { errors, json, type Part } from "./openapi-parts.ts";

const ROOT = {
  library: { type: "string", description: "Name of the library in the configuration." },
  root: { type: "string", description: "Absolute path." },
  state: { enum: ["healthy", "missing", "empty", "unreadable", "not_a_directory"] },
  detail: { type: "string", description: "What was found instead of a root in order." },
};

const FIGURES = {
  caches: { type: "integer" },
  entries: { type: "integer" },
  byProblem: ByProblem,
};

const STATE = {
  type: "object",
  required: ["state", "directories", "unwatched", "message", "lookedAt", "roots"],
  properties: {
    state: {
      enum: ["starting", "watching", "limited", "unwatched"],
      description: "limited, unwatched: changes in some or all directories are found by looking at everything.",
    },
    directories: { type: "integer", description: "Directories there are." },
    unwatched: { type: "integer", description: "Those of them that cannot be watched." },
    message: { type: ["string", "null"], description: "Why not all are watched, and what to do." },
    lookedAt: { type: ["number", "null"], description: "When everything was looked at last, in ms since 1970." },
    roots: {
      type: "array",
      items: {
        type: "object",
        required: [...Object.keys(ROOT), ...Object.keys(FIGURES)],
        properties: { ...ROOT, ...FIGURES },
      },
    },
  },
};

const NEWS = {
  library: ROOT.library,
  root: ROOT.root,
  directory: { type: "string", description: "Absolute path of the directory that holds something else now." },
  cache: { type: ["string", "null"], description: "Path of its cache; null: there is none that can be read." },
  entries: FIGURES.entries,
  byProblem: ByProblem,
  findings: { type: "array", items: Finding, description: "What is wrong there; the first hundred." },
  troubles: { type: "array", items: Trouble },
  more: { type: "integer", description: "Findings besides these." },
};

const DIRECTORY = { type: "object", required: Object.keys(NEWS), properties: NEWS };

const NOT_WATCHED = {
  404: {
    description: "The service does not watch: service.watch is not set.",
    ...json({ $ref: "#/components/schemas/Error" }),
  },
};

/** What a service tells of libraries that it watches. */
export const LIBRARY_PATHS: Part = {
  "/watch": {
    get: {
      operationId: "watchState",
      summary: "Watched libraries, and what is stale in them",
      tags: ["Libraries"],
      responses: {
        200: { description: "As last seen.", ...json(STATE) },
        ...errors(401, 403, 429, 500, 503),
        ...NOT_WATCHED,
      },
    },
  },
  "/events": {
    get: {
      operationId: "events",
      summary: "What changes in watched libraries, as it changes",
      description:
        "Server-sent events. `status` comes first and holds what /watch answers; `directory` tells what a directory holds now that held something else before; `root` tells that a root is in order or not. Who was away reads `status` again: nothing is sent twice.",
      tags: ["Libraries"],
      responses: {
        200: {
          description: "Events until one of both ends it. The schema is of the data of `directory`.",
          content: { "text/event-stream": { schema: DIRECTORY } },
        },
        ...errors(401, 403, 429, 500, 503),
        ...NOT_WATCHED,
      },
    },
  },
};
