import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";

import { CacheOpsError, systemError } from "@cache-ops/shared";

import { serve } from "@hono/node-server";
import {
  createMcpHandler,
  hostHeaderValidationResponse,
  isLegacyRequest,
  originValidationResponse,
  type McpServerFactory,
} from "@modelcontextprotocol/server";

import { makeSessions, refuse } from "./sessions.ts";

/** Where and how the HTTP transport listens. */
export interface HttpOptions {
  readonly host: string;
  readonly port: number;
  /** What a client must send as its bearer token. */
  readonly token: string;
  /** Host names that requests may be addressed to and pages may come from, besides the loopback names. */
  readonly allowedHosts: readonly string[];
  /** Most requests a minute. */
  readonly requestsPerMinute: number;
}

const MAX_BODY_BYTES = 1024 * 1024;
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/** Serves MCP at `/mcp` over Streamable HTTP. Resolves with the address once it listens. */
export async function serveHttp(
  factory: McpServerFactory,
  options: HttpOptions,
): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  const maxRequestBodySize = MAX_BODY_BYTES;
  const modern = createMcpHandler(factory, { legacy: "reject", maxRequestBodySize });
  const sessions = makeSessions(factory, maxRequestBodySize);
  const answer = async (request: Request) =>
    (await isLegacyRequest(request, undefined, { maxRequestBodySize }))
      ? sessions.fetch(request)
      : modern.fetch(request);
  const fetch = guarded(answer, options);
  return new Promise((resolve, reject) => {
    const server = serve({ fetch, hostname: options.host, port: options.port }, ({ address, port }) => {
      const host = address.includes(":") ? `[${address}]` : address;
      resolve({
        url: `http://${host}:${port}/mcp`,
        close: async () => {
          sessions.close();
          await modern.close();
          await new Promise((closed) => server.close(closed));
        },
      });
    });
    server.on("error", reject);
  });
}

/**
 * Lets a request through to `next` only when it is addressed to us (Host), does not come from a foreign page (Origin),
 * carries the token, is JSON and not too large, and there are not too many. Each is checked on its own.
 */
function guarded(
  next: (request: Request) => Promise<Response>,
  { token, allowedHosts, requestsPerMinute }: Omit<HttpOptions, "host" | "port">,
): (request: Request) => Promise<Response> {
  const hosts = [...LOOPBACK, ...allowedHosts];
  const isWithinRate = makeRate(requestsPerMinute);
  return async (request) => {
    const refused =
      hostHeaderValidationResponse(request, hosts) ??
      originValidationResponse(request, hosts) ??
      (hasToken(request, token)
        ? undefined
        : refuse(401, "a bearer token is required", { "www-authenticate": "Bearer" })) ??
      (isWithinRate() ? undefined : refuse(429, "too many requests", { "retry-after": "60" })) ??
      refuseByContent(request);
    return refused ?? next(request);
  };
}

function refuseByContent(request: Request): Response | undefined {
  const { pathname } = new URL(request.url);
  if (pathname !== "/mcp") return refuse(404, "there is nothing here; MCP is at /mcp");
  if (request.method !== "POST") return undefined;
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/json(\s*;|$)/i.test(type)) return refuse(415, "only application/json is accepted");
  return Number(request.headers.get("content-length") ?? 0) > MAX_BODY_BYTES
    ? refuse(413, "the request is too large")
    : undefined;
}

function hasToken(request: Request, token: string): boolean {
  const given = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
  // Hashes have one length, so the comparison says nothing about the token's.
  return timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** A bucket that refills evenly. */
function makeRate(perMinute: number): () => boolean {
  let [left, at] = [perMinute, performance.now()];
  return () => {
    const now = performance.now();
    left = Math.min(perMinute, left + ((now - at) / 60_000) * perMinute);
    at = now;
    if (left < 1) return false;
    left -= 1;
    return true;
  };
}

/** Reads the token from a file only its owner can read, making file and token when there is none. */
export function tokenFrom(file: string): string {
  try {
    writeFileSync(file, `${randomBytes(32).toString("base64url")}\n`, { flag: "wx", mode: 0o600 });
    chmodSync(file, 0o600);
  } catch (error) {
    const isThere = error instanceof Error && "code" in error && error.code === "EEXIST";
    if (!isThere) throw systemError(error, `token file ${file}`);
  }
  if ((statSync(file).mode & 0o077) !== 0) {
    throw new CacheOpsError("forbidden", `${file} can be read by others`, {
      hint: `chmod 600 ${file}, and change the token.`,
    });
  }
  const token = readFileSync(file, "utf8").trim();
  if (token.length < 16) {
    throw new CacheOpsError("invalid_input", `${file} holds no token of at least 16 characters`, {
      hint: "Remove the file to have a new one made.",
    });
  }
  return token;
}
