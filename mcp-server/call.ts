import { CacheOpsError, parse, printableJson, systemError, type Context } from "@cache-ops/shared";

import type { CallToolResult } from "@modelcontextprotocol/server";
import { LRUCache } from "lru-cache";

import { answerError, nextStepAfter } from "./answer-error.ts";
import { cut } from "./budget.ts";
import { makeQuestions, type Questions } from "./confirm.ts";
import type { Settings } from "./settings.ts";
import { fieldsOf, PAGE_PROPERTIES, type Tool } from "./tools.ts";
import { carryOut, makeWork, type Work } from "./work.ts";

/** A result that is being paged through, and the arguments it answers. */
interface Kept {
  readonly output: Readonly<Record<string, unknown>>;
  readonly asked: string;
}

/** What lives as long as the server: results that are being paged through, and one change at a time. */
export interface Desk {
  readonly questions: Questions;
  readonly results: LRUCache<string, Kept>;
  readonly work: Work;
}

/** A new desk. A result can be paged through for ten minutes. */
export function makeDesk(): Desk {
  return { questions: makeQuestions(), results: new LRUCache({ max: 8, ttl: 600_000 }), work: makeWork() };
}

/** Rows of a page, where the caller does not say: a sample, or as many as the budget carries. */
const LIMITS = { concise: 10, full: 500 } as const;

/** As many runs as history lists; a page shows fewer. */
const MAX_RUNS = 1000;

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
    const output =
      handle === undefined ? await run(tool, own, context, desk) : resultOf(handle, offset, own, tool, desk);
    const { rows } = tool.operation;
    const wish = {
      rows,
      offset,
      limit: page.limit ?? LIMITS[isConcise(tool, own) ? "concise" : "full"],
      fields: page.fields,
    };
    // Text and structure are sent both; a token is about four characters.
    const { output: part, next } = cut(output, wish, maxTokens * 2 - 400);
    const nextCursor = next === undefined ? null : writeCursor(handle ?? keep(tool, own, output, desk), next);
    const nextStep = nextStepAfter(tool.operation, output);
    const structuredContent = {
      ...part,
      ...(rows === undefined ? {} : { nextCursor }),
      ...(nextStep === undefined ? {} : { nextStep }),
    };
    return {
      content: [{ type: "text", text: printableJson(JSON.stringify(structuredContent)) }, ...linksOf(output)],
      structuredContent,
    };
  } catch (error) {
    const known = systemError(error, `${tool.operation.name} failed`);
    if (known instanceof CacheOpsError) return answerError(known, tool.operation.name);
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
  const own = Object.fromEntries(entries.filter(([name]) => !isPage(name)));
  const page: PageInput = Object.fromEntries(entries.filter(([name]) => isPage(name)));
  if (page.fields !== undefined) assertFields(page.fields, tool);
  return { own, page };
}

function assertFields(fields: readonly string[], { operation }: Tool): void {
  const known = fieldsOf(operation);
  const unknown = fields.find((field) => !known.includes(field));
  if (unknown === undefined) return;
  throw new CacheOpsError("invalid_input", `rows of ${operation.name} have no field ${JSON.stringify(unknown)}`, {
    hint: `Fields: ${known.join(", ")}.`,
  });
}

function isConcise({ operation }: Tool, { detail }: Readonly<Record<string, unknown>>): boolean {
  return "detail" in operation.input.properties && detail !== "full";
}

/** Runs the operation with every row. */
function run({ operation }: Tool, input: Record<string, unknown>, context: Context, desk: Desk) {
  const { properties } = operation.input;
  const whole = {
    ...("detail" in properties && { detail: "full" }),
    ...("limit" in properties && { limit: MAX_RUNS }),
  };
  return carryOut(operation, { ...input, ...whole }, context, desk.work, "mcp");
}

function keep(tool: Tool, own: object, output: Readonly<Record<string, unknown>>, desk: Desk): string {
  const handle = `${tool.operation.name}.${crypto.randomUUID()}`;
  desk.results.set(handle, { output, asked: canonical(own) });
  return handle;
}

function resultOf(handle: string, offset: number, own: object, { operation }: Tool, desk: Desk): Kept["output"] {
  const kept = handle.startsWith(`${operation.name}.`) ? desk.results.get(handle) : undefined;
  const hint = `Call ${operation.name} again without a cursor.`;
  if (kept === undefined) {
    throw new CacheOpsError("not_found", "this cursor has expired or belongs to another tool", { hint });
  }
  if (kept.asked !== canonical(own)) {
    throw new CacheOpsError("invalid_input", "this cursor belongs to a call with other arguments", {
      hint: `Repeat the arguments of that call beside the cursor. To ask something else: ${hint}`,
    });
  }
  const rows = operation.rows === undefined ? [] : kept.output[operation.rows];
  if (!Array.isArray(rows) || offset >= rows.length) {
    throw new CacheOpsError("invalid_input", "this cursor points behind the last row", { hint });
  }
  return kept.output;
}

/** Arguments in an order of their own, to be compared. */
function canonical(own: object): string {
  return JSON.stringify(Object.entries(own).toSorted(([a], [b]) => (a < b ? -1 : 1)));
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
