import { CacheOpsError, parse, type Operation } from "@cache-ops/shared";

import { MAX_BODY_BYTES, refuseContent, type Refusal } from "./gate.ts";
import { answerOutput, answerRefusal } from "./http-answer.ts";
import type { Call, Methods, Route } from "./route.ts";
import { offeredInput, type ObjectSchema } from "./tools.ts";
import { carryOut, type Work } from "./work.ts";

/** What REST offers of the registry, and under which conditions. */
export interface RestOptions {
  readonly operations: readonly Operation[];
  /** Only what changes nothing is offered. */
  readonly readOnly: boolean;
  /** A person has to say yes to a change; over REST nobody can be asked, so nothing is changed. */
  readonly confirm: boolean;
}

/** Where the operations are. */
export const API = "/api/v1/";

/** The operations that are offered, in the order of the registry. */
export function offeredOperations({ operations, readOnly }: RestOptions): Operation[] {
  return operations.filter(({ effect }) => effect === "read" || !readOnly);
}

/**
 * A route for every operation: `POST` with its input as JSON, and `GET` with its input as parameters where it changes
 * nothing. They throw what they cannot do.
 */
export function restRoutes(options: RestOptions, work: Work): Map<string, Methods> {
  return new Map(
    offeredOperations(options).map((operation) => {
      const schema = offeredInput(operation);
      const run = async ({ context }: Call, input: unknown): Promise<Response> => {
        assertMayChange(operation, options);
        const checked = parse(schema, input, `input of ${operation.name}`);
        return answerOutput(operation, await carryOut(operation, checked, context, work, "rest"));
      };
      const get: Route = { answer: (call) => run(call, inputFrom(call.query, schema)) };
      const post: Route = {
        answer: async (call) => {
          const body = await readBody(call.request);
          return "refusal" in body ? answerRefusal(body.refusal) : run(call, parseBody(body.text, operation));
        },
      };
      return [`${API}${operation.name}`, operation.effect === "read" ? { GET: get, POST: post } : { POST: post }];
    }),
  );
}

/** Throws `forbidden` where a change needs what a request cannot give. */
export function assertMayChange({ name, effect }: Operation, { readOnly, confirm }: RestOptions): void {
  if (effect === "read" || (!readOnly && !confirm)) return;
  throw new CacheOpsError(
    "forbidden",
    readOnly ? `${name} changes something, and this service only reads` : `${name} needs a person's yes`,
    {
      hint: readOnly
        ? "The operator started it with --read-only."
        : "The operator started the service with --confirm: use a client of MCP that can ask, or the command line.",
    },
  );
}

type Body = { readonly text: string } | { readonly refusal: Refusal };

/** The body of a request that is JSON, or empty. No more of it is read than may be. */
export async function readBody(request: Request): Promise<Body> {
  const { headers, body } = request;
  const length = headers.get("content-length");
  if (length === "0" || (length === null && !headers.has("transfer-encoding"))) return { text: "" };
  const refusal = refuseContent(request);
  if (refusal !== undefined || body === null) return refusal === undefined ? { text: "" } : { refusal };
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body as AsyncIterable<Uint8Array>) {
    bytes += part.byteLength;
    if (bytes > MAX_BODY_BYTES) return { refusal: { status: 413, message: "the request is too large" } };
    parts.push(part);
  }
  return { text: Buffer.concat(parts).toString("utf8") };
}

function parseBody(text: string, { name }: Operation): unknown {
  if (text === "") return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CacheOpsError("invalid_input", `input of ${name} is not JSON`, {
      hint: "Send one JSON object.",
      cause: error,
    });
  }
}

interface PropertySchema {
  readonly type?: string;
  readonly items?: PropertySchema;
}

/** Input from parameters: lists repeat theirs. What does not fit stays as it is, for the schema to refuse. */
function inputFrom(query: URLSearchParams, { properties }: ObjectSchema): Record<string, unknown> {
  return Object.fromEntries(
    [...new Set(query.keys())].map((name) => {
      const schema: PropertySchema | undefined = Object.hasOwn(properties, name) ? properties[name] : undefined;
      const texts = query.getAll(name);
      if (schema?.type === "array") return [name, texts.map((text) => valueOf(text, schema.items?.type))];
      const [text] = texts;
      return [name, texts.length === 1 && text !== undefined ? valueOf(text, schema?.type) : texts];
    }),
  );
}

function valueOf(text: string, type: string | undefined): unknown {
  if (type === "boolean" && (text === "true" || text === "false")) return text === "true";
  const isNumber = (type === "integer" || type === "number") && /^-?\d{1,15}(\.\d{1,15})?$/.test(text);
  return isNumber ? Number(text) : text;
}
