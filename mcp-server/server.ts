import { CacheOpsError, invoke, operations, type Context, type Operation } from "@cache-ops/shared";

import { fromJsonSchema, McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";

/** What the server gets from whoever starts it. */
export interface ServerOptions {
  readonly version: string;
  /** A context for one call, which ends with the signal. */
  readonly contextFor: (signal: AbortSignal) => Context;
}

/** The operations an agent may call: those that change nothing outside the state directory. */
const offered = operations.filter(({ effect }) => effect === "read");

/** Serves the operations as MCP tools over standard input and output, until the client closes them. */
export function serveMcp(options: ServerOptions): void {
  serveStdio(() => buildServer(options));
}

/** One server instance. Cheap and without effects: a connection makes one. */
export function buildServer({ version, contextFor }: ServerOptions): McpServer {
  const server = new McpServer({ name: "cache-ops", version }, { instructions: INSTRUCTIONS });
  for (const operation of offered) {
    const { name, title, description } = operation;
    const config = {
      title,
      description,
      inputSchema: fromJsonSchema<Record<string, unknown>>({ ...operation.input }),
      outputSchema: fromJsonSchema<Record<string, unknown>>({ ...operation.output }),
      annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    };
    server.registerTool(name, config, (input, { mcpReq }) => call(operation, input, contextFor(mcpReq.signal)));
  }
  return server;
}

const INSTRUCTIONS =
  "Cache Ops looks after the caches of media tools. check finds what is stale; cleanup and repair make a plan and change nothing. A person applies a plan with `cache-ops apply`.";

/** A result as text and structure, or an error as the agent can act upon it: code, message and what to do next. */
async function call(operation: Operation, input: unknown, context: Context) {
  try {
    const output = await invoke(operation, input, context);
    return { content: [{ type: "text" as const, text: JSON.stringify(output) }], structuredContent: output };
  } catch (error) {
    if (!(error instanceof CacheOpsError)) throw error;
    const { code, message, hint } = error;
    const text = JSON.stringify({ code, message, hint: hint ?? null });
    return { content: [{ type: "text" as const, text }], isError: true };
  }
}
