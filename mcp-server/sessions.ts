import { WebStandardStreamableHTTPServerTransport, type McpServerFactory } from "@modelcontextprotocol/server";
import { LRUCache } from "lru-cache";

/** Serves the revisions of 2025 over HTTP. */
export interface Sessions {
  fetch(request: Request): Promise<Response>;
  /** Ends every session, and with it whatever it is doing. */
  close(): void;
}

const MAX_SESSIONS = 64;
const IDLE_MS = 60 * 60 * 1000;

/**
 * Keeps a session for every client of the revisions of 2025: only within one can it be asked something, and cancel a
 * call. A session nobody used for an hour ends; the one unused the longest ends when there are too many.
 */
export function makeSessions(factory: McpServerFactory, maxRequestBodySize: number): Sessions {
  const open = new LRUCache<string, WebStandardStreamableHTTPServerTransport>({
    max: MAX_SESSIONS,
    ttl: IDLE_MS,
    updateAgeOnGet: true,
    dispose: (transport) => void transport.close(),
  });

  /** Only a request that initializes opens a session; the transport refuses any other. */
  async function begin(request: Request): Promise<Response> {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (id) => void open.set(id, transport),
      onsessionclosed: (id) => void open.delete(id),
      maxRequestBodySize,
    });
    const server = await factory({ era: "legacy", requestInfo: request });
    await server.connect(transport);
    const response = await transport.handleRequest(request);
    if (transport.sessionId === undefined) await server.close();
    return response;
  }

  return {
    fetch: async (request) => {
      const id = request.headers.get("mcp-session-id");
      if (id !== null) return (await open.get(id)?.handleRequest(request)) ?? refuse(404, "there is no such session");
      return request.method === "POST" ? begin(request) : refuse(405, "only POST is accepted");
    },
    close: () => open.clear(),
  };
}

/** An answer without a result, as JSON-RPC wants it. */
export function refuse(status: number, message: string, headers: Readonly<Record<string, string>> = {}): Response {
  const body = { jsonrpc: "2.0", id: null, error: { code: -32_600, message } };
  return Response.json(body, { status, headers });
}
