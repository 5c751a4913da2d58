import { CacheOpsError, invoke, parse, printable, type Context, type ErrorCode } from "@cache-ops/shared";

import type { CallToolResult } from "@modelcontextprotocol/server";
import { LRUCache } from "lru-cache";

import { cut } from "./budget.ts";
import type { Settings } from "./settings.ts";
import { PAGE_PROPERTIES, type Tool } from "./tools.ts";

/** What lives as long as the server: results that are being paged through, and one change at a time. */
export interface Desk {
  readonly results: LRUCache<string, Readonly<Record<string, unknown>>>;
  changing: Promise<unknown>;
}

/** A new desk. A result can be paged through for ten minutes. */
export function makeDesk(): Desk {
  return { results: new LRUCache({ max: 8, ttl: 600_000 }), changing: Promise.resolve() };
}

/** Rows of a page, where the caller does not say: a sample, or as many as the budget carries. */
const LIMITS = { concise: 10, full: 500 } as const;

/** Runs a tool: checks its input, runs the operation, cuts the result to the budget. Errors become answers. */
export async function callTool(
  tool: Tool,
  input: unknown,
  context: Context,
  desk: Desk,
  { maxTokens }: Pick<Settings, "maxTokens">,
): Promise<CallToolResult> {
  try {
    const { own, page } = split(tool, input);
    const { handle, offset } = page.cursor === undefined ? { handle: undefined, offset: 0 } : readCursor(page.cursor);
    const output = handle === undefined ? await run(tool, own, context, desk) : resultOf(handle, tool, desk);
    const { rows } = tool.operation;
    const wish = {
      rows,
      offset,
      limit: page.limit ?? LIMITS[own["detail"] === "concise" ? "concise" : "full"],
      fields: page.fields,
    };
    // Text and structure are sent both; a token is about four characters.
    const { output: part, next } = cut(output, wish, maxTokens * 2 - 200);
    const nextCursor = next === undefined ? null : writeCursor(handle ?? keep(tool, output, desk), next);
    const structuredContent = rows === undefined ? part : { ...part, nextCursor };
    return {
      content: [{ type: "text", text: JSON.stringify(structuredContent) }, ...linksOf(output)],
      structuredContent: { ...structuredContent },
    };
  } catch (error) {
    if (error instanceof CacheOpsError) return answerError(error);
    throw error;
  }
}

interface PageInput {
  readonly limit?: number;
  readonly cursor?: string;
  readonly fields?: readonly string[];
}

function split(tool: Tool, input: unknown): { readonly own: Record<string, unknown>; readonly page: PageInput } {
  const checked = parse(tool.inputSchema, input ?? {}, `input of ${tool.operation.name}`) as Record<string, unknown>;
  const isPage = (name: string) => tool.operation.rows !== undefined && name in PAGE_PROPERTIES;
  const entries = Object.entries(checked);
  return {
    own: Object.fromEntries(entries.filter(([name]) => !isPage(name))),
    page: Object.fromEntries(entries.filter(([name]) => isPage(name))),
  };
}

/** Runs the operation with every row; changing operations one after the other. */
async function run({ operation }: Tool, input: Record<string, unknown>, context: Context, desk: Desk) {
  const detailed = "detail" in operation.input.properties ? { ...input, detail: "full" } : input;
  const start = () => invoke(operation, detailed, context) as Promise<Record<string, unknown>>;
  if (operation.effect === "read") return start();
  const done = desk.changing.then(start, start);
  desk.changing = done;
  return done;
}

function keep(tool: Tool, output: Readonly<Record<string, unknown>>, desk: Desk): string {
  const handle = `${tool.operation.name}.${crypto.randomUUID()}`;
  desk.results.set(handle, output);
  return handle;
}

function resultOf(handle: string, tool: Tool, desk: Desk): Readonly<Record<string, unknown>> {
  const output = handle.startsWith(`${tool.operation.name}.`) ? desk.results.get(handle) : undefined;
  if (output !== undefined) return output;
  throw new CacheOpsError("not_found", "this cursor has expired or belongs to another tool", {
    hint: `Call ${tool.operation.name} again without a cursor.`,
  });
}

function writeCursor(handle: string, offset: number): string {
  return Buffer.from(`${offset}:${handle}`).toString("base64url");
}

function readCursor(cursor: string): { readonly handle: string; readonly offset: number } {
  const [, offset, handle] = /^(\d{1,9}):(.+)$/.exec(Buffer.from(cursor, "base64url").toString("utf8")) ?? [];
  if (offset !== undefined && handle !== undefined) return { handle, offset: Number(offset) };
  throw new CacheOpsError("invalid_input", "this is no cursor of this server", {
    hint: "Give nextCursor as it was returned, or leave the cursor out.",
  });
}

/** A plan or a report that can be read in full as a resource. */
function linksOf(output: Readonly<Record<string, unknown>>): CallToolResult["content"] {
  const { plan, run, digest } = output;
  if (typeof digest === "string" && typeof plan === "string") {
    return [{ type: "resource_link", uri: `cache://plan/${plan}`, name: plan }];
  }
  return typeof run === "string" ? [{ type: "resource_link", uri: `cache://run/${run}`, name: run }] : [];
}

const NEXT_STEPS: Readonly<Record<ErrorCode, string>> = {
  invalid_input: "Correct the arguments and call again.",
  not_found: "Call history or list to see what there is.",
  locked: "Wait some seconds, then call again with the same arguments.",
  stale_plan: "Call cleanup or repair again for a new plan, and review it.",
  expired_plan: "Call cleanup or repair again for a new plan, and review it.",
  corrupt: "Call repair for a plan that saves what can be read.",
  unavailable: "Call doctor to see what is wrong, and tell the person.",
  blocked: "Tell the person the cause and the advice. Only they can pass over a guard.",
  forbidden: "Stay within the libraries and limits the operator set.",
  interrupted: "Call history to see what was done.",
  internal: "Tell the person: this is a bug.",
};

/** An error as an agent can act upon it. Names in it are data, made printable. */
export function answerError({ code, message, hint }: CacheOpsError): CallToolResult {
  const error = {
    code,
    message: printable(message),
    hint: hint === undefined ? null : printable(hint),
    nextStep: NEXT_STEPS[code],
  };
  return { content: [{ type: "text", text: JSON.stringify(error) }], isError: true };
}
