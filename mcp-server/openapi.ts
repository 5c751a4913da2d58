import type { Operation } from "@cache-ops/shared";

import { cachePaths } from "./openapi-cache.ts";
import { ENGINE_PATHS } from "./openapi-engines.ts";
import { LIBRARY_PATHS } from "./openapi-libraries.ts";
import { errors, json, type Part } from "./openapi-parts.ts";
import { outputSchemas, type OutputSchemas } from "./openapi-schemas.ts";
import { API } from "./rest.ts";
import { offeredInput, type ObjectSchema } from "./tools.ts";

/** What an answer with this status means, for every operation. */
const STATUS: Readonly<Record<number, string>> = {
  400: "The input is not valid; the message names path, rule and allowed values.",
  401: "The bearer token is missing or wrong.",
  403: "The operator, a link or the rights of a file do not let you.",
  404: "There is nothing of this name.",
  409: "A guard objects, or the plan is no longer what it was.",
  413: "The request is larger than a megabyte.",
  415: "The request is not JSON.",
  422: "What is on the disk is damaged.",
  423: "Somebody else is at it; try again.",
  429: "Too many requests.",
  500: "A bug in cache-ops.",
  503: "Something that is needed cannot be reached, or the service is stopping.",
};

/** The description of the REST service in OpenAPI 3.1, read off the operations that are offered. */
export function openApi(operations: readonly Operation[], version: string): Part {
  const names = new Set(operations.map(({ name }) => name));
  const outputs = outputSchemas(operations);
  return {
    openapi: "3.1.0",
    jsonSchemaDialect: "https://json-schema.org/draft/2020-12/schema",
    info: {
      title: "Cache Ops",
      version,
      description:
        "Finds stale caches of media tools, shows what it would do and why, does exactly that, and can undo it. What destroys is planned first (cleanup, repair, evict) and then applied: POST the plan's id and its sentence to apply.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    security: [{ token: [] }],
    tags: [
      { name: "Operations", description: "Everything Cache Ops can do." },
      { name: "Managed caches", description: "Directories under TTL, LRU and a quota." },
      { name: "Libraries", description: "Libraries that the service watches." },
      { name: "Engines", description: "Caches in the containers of stream engines." },
      { name: "Service", description: "Health, metrics, and this document." },
    ],
    paths: {
      ...Object.fromEntries(
        operations.map((operation) => [`${API}${operation.name}`, operationPath(operation, outputs)]),
      ),
      ...cachePaths(names),
      ...ENGINE_PATHS,
      ...LIBRARY_PATHS,
      ...SERVICE_PATHS,
    },
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: { Error: ERROR, ...outputs.schemas },
      responses: Object.fromEntries(
        Object.entries(STATUS).map(([status, description]) => [
          `Status${status}`,
          { description, ...json({ $ref: "#/components/schemas/Error" }) },
        ]),
      ),
    },
  };
}

const ERROR = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["code", "message", "hint"],
      properties: {
        code: { type: "string", description: "One word, the same on every face of Cache Ops." },
        message: { type: "string", description: "What is wrong, and where." },
        hint: { type: ["string", "null"], description: "What to do next." },
      },
    },
  },
};

function operationPath(operation: Operation, { refer }: OutputSchemas): Part {
  const { name, title, description, effect } = operation;
  const output = refer(operation);
  const input = offeredInput(operation);
  const common = { summary: title, description, tags: ["Operations"] };
  const blocked = "digest" in operation.output.properties || effect !== "read";
  const responses = {
    200: { description: title, ...json(output) },
    ...errors(400, 401, 403, 404),
    409: blocked
      ? {
          description: STATUS[409],
          ...json({ anyOf: [{ $ref: "#/components/schemas/Error" }, output] }),
        }
      : { $ref: "#/components/responses/Status409" },
    ...errors(413, 415, 422, 423, 429, 500, 503),
  };
  const post = {
    operationId: name,
    ...common,
    requestBody: { required: (input.required ?? []).length > 0, ...json({ ...input }) },
    responses,
  };
  if (effect !== "read") return { post };
  return { get: { operationId: `${name}ByParameters`, ...common, parameters: parametersOf(input), responses }, post };
}

function parametersOf({ properties, required = [] }: ObjectSchema): Part[] {
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema,
    ...("type" in schema && schema.type === "array" ? { style: "form", explode: true } : {}),
  }));
}

const STATE = (...words: readonly string[]) =>
  json({ type: "object", required: ["status"], properties: { status: { enum: words } } });

const SERVICE_PATHS = {
  "/health": {
    get: {
      operationId: "health",
      summary: "The process answers",
      tags: ["Service"],
      security: [],
      responses: { 200: { description: "It does.", ...STATE("ok") }, ...errors(403, 429) },
    },
  },
  "/ready": {
    get: {
      operationId: "ready",
      summary: "The service can work",
      tags: ["Service"],
      security: [],
      responses: {
        200: { description: "It can.", ...STATE("ready") },
        ...errors(403, 429),
        503: { description: "Not now.", ...STATE("not ready") },
      },
    },
  },
  "/metrics": {
    get: {
      operationId: "metrics",
      summary: "Metrics for Prometheus",
      tags: ["Service"],
      responses: {
        200: { description: "Metrics.", content: { "text/plain": { schema: { type: "string" } } } },
        ...errors(401, 403, 429),
      },
    },
  },
  "/openapi.json": {
    get: {
      operationId: "openapi",
      summary: "This document",
      tags: ["Service"],
      responses: { 200: { description: "OpenAPI 3.1.", ...json({ type: "object" }) }, ...errors(401, 403, 429) },
    },
  },
};
