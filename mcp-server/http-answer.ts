import {
  CacheOpsError,
  printable,
  printableJson,
  type ErrorCode,
  type Operation,
  type Outcome,
} from "@cache-ops/shared";

import type { Refusal } from "./gate.ts";
import { errorOf, type Output } from "./work.ts";

/** The HTTP status of every outcome. A stale finding and a partial run are results, the rest are errors. */
export const HTTP_STATUS: Readonly<Record<Outcome, number>> = {
  ok: 200,
  stale: 200,
  partial: 200,
  invalid_input: 400,
  forbidden: 403,
  not_found: 404,
  blocked: 409,
  stale_plan: 409,
  expired_plan: 409,
  corrupt: 422,
  locked: 423,
  internal: 500,
  unavailable: 503,
  interrupted: 503,
};

/** What no answer may be without: it is read as what it says it is, by who asked, now. */
export const HEADERS = { "x-content-type-options": "nosniff", "cache-control": "no-store" } as const;

/** An answer in JSON, whose names of files cannot pass for anything else. */
export function answerJson(
  status: number,
  body: Readonly<Record<string, unknown>> | readonly unknown[],
  headers: Readonly<Record<string, string>> = {},
): Response {
  const text = `${printableJson(JSON.stringify(body))}\n`;
  return new Response(text, { status, headers: { "content-type": "application/json", ...HEADERS, ...headers } });
}

/** What an operation returned, with the status of its outcome. */
export function answerOutput(operation: Operation, output: Output): Response {
  return answerJson(HTTP_STATUS[operation.outcome(output)], output);
}

/** An error as its caller can act upon it. What is a bug of ours is not explained to them, but to the log. */
export function answerFailure(error: unknown, operation: Pick<Operation, "name">): Response {
  const known = errorOf(error, operation) ?? BUG;
  return answerFault(HTTP_STATUS[known.code], known.code, known.message, known.hint);
}

const BUG = new CacheOpsError("internal", "a bug in cache-ops", { hint: "Its log says more. Please report it." });

/** A request that was not let in, or leads nowhere. */
export function answerRefusal({ status, message, headers }: Refusal): Response {
  return answerFault(status, CODES[status] ?? "invalid_input", message, undefined, headers);
}

const CODES: Readonly<Record<number, ErrorCode>> = {
  401: "forbidden",
  403: "forbidden",
  404: "not_found",
  429: "unavailable",
};

function answerFault(
  status: number,
  code: ErrorCode,
  message: string,
  hint: string | undefined,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const error = { code, message: printable(message), hint: hint === undefined ? null : printable(hint) };
  return answerJson(status, { error }, headers);
}
