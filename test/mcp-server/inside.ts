import assert from "node:assert/strict";

import { callTool, makeDesk, type Desk } from "../../mcp-server/call.ts";
import { DEFAULT_MAX_TOKENS } from "../../mcp-server/settings.ts";
import { toolNames, toolsFor } from "../../mcp-server/tools.ts";
import type { Context } from "../../shared/index.ts";
import { makeContext } from "../support/context.ts";
import type { Result } from "./agent.ts";

/** A server in this process, without a transport: the same tools, bounds and answers. */
export interface Inside {
  call(name: string, args?: Record<string, unknown>): Promise<Result>;
  readonly context: Context;
  readonly desk: Desk;
}

/** Every tool there is. */
export const TOOLS = toolsFor({ readOnly: false, tools: toolNames });

/** What {@link serveInside} may be told. */
export interface InsideParts extends Partial<Context> {
  /** Names of libraries by their roots. */
  readonly libraries: Readonly<Record<string, string>>;
  readonly config?: Record<string, unknown>;
  readonly maxTokens?: number;
}

/** Serves these libraries, and nothing else. Whatever a call throws instead of answering fails the test. */
export function serveInside({ libraries, config, maxTokens = DEFAULT_MAX_TOKENS, ...rest }: InsideParts): Inside {
  const configured = Object.entries(libraries).map(([name, root]) => ({ name, roots: [root] }));
  const context = makeContext({
    bounds: { confined: true },
    ...rest,
    config: { ...config, libraries: configured },
  });
  const desk = makeDesk();
  return {
    context,
    desk,
    call: async (name, args = {}) => {
      const tool = TOOLS.find(({ operation }) => operation.name === name);
      assert.ok(tool, name);
      return (await callTool(tool, args, context, desk, { maxTokens })) as Result;
    },
  };
}

/** The structure in an answer that is no error. */
export function dataOf({ isError, structuredContent, content }: Result): Record<string, unknown> {
  assert.notEqual(isError, true, JSON.stringify(content));
  assert.ok(structuredContent);
  return structuredContent;
}

/** Characters that never stand in what an agent or a person reads as text of ours. */
export const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/** Checks that an answer is an error that says what is wrong and what to do next, in printable words; returns it. */
export function refusal(result: Result): Record<string, string> {
  assert.equal(result.isError, true, JSON.stringify(result.structuredContent));
  const error = JSON.parse(result.content[0]?.text ?? "null") as Record<string, string>;
  for (const part of ["code", "message", "hint", "nextStep"]) {
    assert.ok(error[part], `${part} of ${JSON.stringify(error)}`);
    assert.doesNotMatch(error[part], UNPRINTABLE);
  }
  assert.ok((error["message"] ?? "").length <= 2001);
  return error;
}
