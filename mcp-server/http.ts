import { createMcpHandler, isLegacyRequest, type McpServerFactory } from "@modelcontextprotocol/server";

import { makeGate, MAX_BODY_BYTES, refuseContent, type GateOptions, type Refusal } from "./gate.ts";
import { makeSessions, refuse } from "./sessions.ts";

/** Where and how the HTTP transport listens, and whom it lets in. */
export interface HttpOptions extends GateOptions {
  readonly host: string;
  readonly port: number;
}

/** MCP over Streamable HTTP, for requests that were let in. */
export interface McpEndpoint {
  fetch(request: Request): Promise<Response>;
  /** Ends every session and call. */
  close(): Promise<void>;
}

/** Serves both eras: revision 2026-07-28 without sessions, the revisions of 2025 in sessions. */
export function makeMcpEndpoint(factory: McpServerFactory): McpEndpoint {
  const maxRequestBodySize = MAX_BODY_BYTES;
  const modern = createMcpHandler(factory, { legacy: "reject", maxRequestBodySize });
  const sessions = makeSessions(factory, maxRequestBodySize);
  return {
    fetch: async (request) => {
      const refused = request.method === "POST" ? refuseContent(request) : undefined;
      if (refused !== undefined) return refuseMcp(refused);
      const isLegacy = await isLegacyRequest(request, undefined, { maxRequestBodySize });
      return isLegacy ? sessions.fetch(request) : modern.fetch(request);
    },
    close: async () => {
      sessions.close();
      await modern.close();
    },
  };
}

/** A refusal as clients of MCP read it. */
export function refuseMcp({ status, message, headers }: Refusal): Response {
  return refuse(status, message, headers);
}

/** Serves MCP at `/mcp` over Streamable HTTP. Resolves with the address once it listens. */
export async function serveHttp(
  factory: McpServerFactory,
  options: HttpOptions,
): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  const mcp = makeMcpEndpoint(factory);
  const gate = makeGate(options);
  // Whoever serves standard input and output only does not load an HTTP server.
  const { listen } = await import("./listen.ts");
  const { origin, close } = await listen(async (request) => {
    const refused = gate.address(request) ?? gate.token(request) ?? gate.rate() ?? refusePath(request);
    return refused === undefined ? mcp.fetch(request) : refuseMcp(refused);
  }, options);
  return {
    url: `${origin}/mcp`,
    close: async () => {
      await mcp.close();
      await close();
    },
  };
}

function refusePath({ url }: Request): Refusal | undefined {
  return new URL(url).pathname === "/mcp"
    ? undefined
    : { status: 404, message: "there is nothing here; MCP is at /mcp" };
}
