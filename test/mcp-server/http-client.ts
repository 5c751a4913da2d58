import { request, type IncomingHttpHeaders } from "node:http";

import type { HttpServer } from "./http-server.ts";

/** A request as a test wants it; what it leaves out is what a good request has. A header of `null` is left away. */
interface Wanted {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly body?: string;
  /** Send the body without saying how long it is. */
  readonly chunked?: boolean;
}

/** What the server answered. */
export interface Sent {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** The revision of the protocol without sessions. */
export const VERSION = "2026-07-28";
/** What every request of that revision says of its client. */
export const META = {
  "io.modelcontextprotocol/protocolVersion": VERSION,
  "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};
const LIST = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: { _meta: META } });

/** Sends one request, by default a good one of 2026-07-28 that lists the tools. Nothing is added to its headers. */
export function send({ url, token }: HttpServer, wanted: Wanted): Promise<Sent> {
  const { hostname, port, host, pathname } = new URL(url);
  const { method = "POST", path = pathname, body = LIST, chunked = false } = wanted;
  const headers = {
    host,
    authorization: `Bearer ${token}`,
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    ...(body === LIST ? { "mcp-protocol-version": VERSION, "mcp-method": "tools/list" } : {}),
    ...(chunked ? { "transfer-encoding": "chunked" } : { "content-length": String(Buffer.byteLength(body)) }),
    ...wanted.headers,
  };
  const kept = Object.entries(headers).flatMap(([name, value]) => (value === null ? [] : [[name, value]]));
  return new Promise((resolve, reject) => {
    const options = { hostname, port, method, path, headers: Object.fromEntries(kept), agent: false, setHost: false };
    let answered = false;
    const outgoing = request(options, (answer) => {
      answered = true;
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (part: string) => (text += part));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }));
      answer.on("error", reject);
    });
    // A server that has answered need not read the rest.
    outgoing.on("error", (error) => (answered ? undefined : reject(error)));
    outgoing.end(body);
  });
}

/**
 * The call that applies a plan, as either era would send it: let in, each would change the library. The modern one says
 * what its client can do.
 */
export function bodies(plan: Readonly<Record<string, unknown>>, session: string, capabilities: object = {}) {
  const call = (params: object) => JSON.stringify({ jsonrpc: "2.0", id: 7, method: "tools/call", params });
  const params = { name: "apply", arguments: plan };
  return {
    modern: {
      body: call({ ...params, _meta: { ...META, "io.modelcontextprotocol/clientCapabilities": capabilities } }),
      headers: { "mcp-protocol-version": VERSION, "mcp-method": "tools/call", "mcp-name": "apply" },
    },
    legacy: {
      body: call(params),
      headers: { "mcp-protocol-version": "2025-11-25", "mcp-session-id": session },
    },
  };
}

/** Opens a session of 2025-11-25 and returns its id. */
export async function openSession(server: HttpServer): Promise<string> {
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params });
  const { headers, status, text } = await send(server, { body });
  const id = headers["mcp-session-id"];
  if (status !== 200 || typeof id !== "string") throw new Error(`no session: ${status} ${text}`);
  return id;
}
