import { META, VERSION } from "../mcp-server/http-client.ts";

/** Whom a request is addressed to, and what lets it in. */
export interface Caller {
  readonly host: string;
  readonly token: string;
  /** Of the revisions of 2025. */
  session: string;
}

/** A request before it is written down. */
export interface Sketch {
  readonly line: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
}

const rpc = (method: string, params: object) => ({ jsonrpc: "2.0", id: 7, method, params });
const CHECK = { name: "check", arguments: { paths: ["films"], limit: 5 } };
const CLIENT = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } };
const ABSENT = { plan: "plan-0000000000", acknowledge: "remove 1 entry in 1 cache under films; undo until 2030-01-01" };

const OPENING = rpc("initialize", CLIENT);

/** Requests as they should be: method and address, body, further headers. None of them changes anything here. */
export const REQUESTS: readonly (readonly [line: string, body?: object, headers?: Readonly<Record<string, string>>])[] =
  [
    ["GET /health"],
    ["GET /metrics"],
    ["GET /openapi.json"],
    ["GET /engines"],
    ["GET /api/v1/check?paths=films&problem=orphaned"],
    ["GET /api/v1/stats?paths=films"],
    ["GET /cache/stats?cache=media"],
    ["GET /cache/directories?limit=10&offset=0"],
    ["GET /cache/directories/absent"],
    ["DELETE /cache/directories/absent?remove_files=true"],
    ["POST /cache/directories/absent/touch"],
    ["POST /cache/register/absent"],
    ["POST /api/v1/check", { paths: ["films"], problem: ["orphaned"], include: ["**/*.mkv"] }],
    ["POST /api/v1/cleanup", { paths: ["films"], maxEntries: 3, include: ["**/*.mkv"] }],
    ["POST /api/v1/directories", { cache: "media", limit: 3, offset: 0 }],
    ["POST /api/v1/history", { run: "run-0000000000", limit: 3 }],
    ["POST /api/v1/apply", ABSENT],
    ["POST /api/v1/undo", { run: "run-0000000000", acknowledge: "undo" }],
    ["POST /mcp", OPENING],
    ["POST /mcp", rpc("tools/call", { ...CHECK, _meta: META }), { "mcp-method": "tools/call", "mcp-name": "check" }],
    ["POST /mcp", rpc("tools/list", { _meta: META }), { "mcp-method": "tools/list" }],
    ["POST /mcp", rpc("tools/call", CHECK), { "mcp-session-id": "" }],
    ["POST /mcp", rpc("tools/call", { name: "apply", arguments: ABSENT }), { "mcp-session-id": "" }],
  ];

/** Requests as they should be that are answered the same every time. */
export function properRequests(caller: Caller): readonly Buffer[] {
  const inSession = { "mcp-session-id": "" };
  return [
    ...REQUESTS.filter(([line]) => line.startsWith("POST /api/v1/check")),
    ...REQUESTS.filter(([, , headers]) => headers?.["mcp-method"] !== undefined),
    ["GET /cache/directories/m1"] as const,
    ["POST /mcp", rpc("tools/call", CHECK), inSession] as const,
  ].map((parts) => written(sketched(parts, caller)));
}

/** A request that opens a session. */
export const openingRequest = (caller: Caller): Buffer => written(sketched(["POST /mcp", OPENING], caller));

/** A request to a server, as it should be. */
export function sketched(
  [line, body, further = {}]: (typeof REQUESTS)[number],
  { host, token, session }: Caller,
  id = 7,
): Sketch {
  const own = Object.entries(further).map(
    ([name, value]) => [name, name === "mcp-session-id" ? session : value] as const,
  );
  const version = "mcp-method" in further ? VERSION : CLIENT.protocolVersion;
  return {
    line,
    headers: [
      ["Host", host],
      ["Authorization", `Bearer ${token}`],
      ...(body === undefined ? [] : [["Content-Type", "application/json"] as const]),
      ...(line === "POST /mcp" ? [["Accept", "application/json, text/event-stream"] as const] : []),
      ...(own.length > 0 ? [["mcp-protocol-version", version] as const] : []),
      ...own,
    ],
    body: Buffer.from(body === undefined ? "" : JSON.stringify("id" in body ? { ...body, id } : body)),
  };
}

/** The bytes of a request, with its length unless it says one, and further lines of its head. */
export function written({ line, headers, body }: Sketch, ...further: readonly string[]): Buffer {
  const isSized = headers.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name));
  const size = isSized || (body.length === 0 && line.startsWith("GET")) ? [] : [`Content-Length: ${body.length}`];
  const all = [...headers.map(([name, value]) => `${name}: ${value}`), ...size, ...further];
  return Buffer.concat([Buffer.from(`${line} HTTP/1.1\r\n${all.join("\r\n")}\r\n\r\n`, "latin1"), body]);
}
