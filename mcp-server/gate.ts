import { createHash, timingSafeEqual } from "node:crypto";

import { validateHostHeader, validateOriginHeader } from "@modelcontextprotocol/server";

/** Whom a server lets in. */
export interface GateOptions {
  /** What a client must send as its bearer token. */
  readonly token: string;
  /** Host names that requests may be addressed to and pages may come from, besides the loopback names. */
  readonly allowedHosts: readonly string[];
  /** Most requests a minute. */
  readonly requestsPerMinute: number;
}

/** Why a request is not let in; each face writes it in its own form. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The guards that every face on HTTP shares. Each is checked on its own, and answers `undefined` when it lets pass. */
export interface Gate {
  /** Is it addressed to us (Host), and not from a foreign page (Origin)? */
  address(request: Request): Refusal | undefined;
  /** Does it carry the token? */
  token(request: Request): Refusal | undefined;
  /** Are there not too many? Counts this one. */
  rate(): Refusal | undefined;
}

/** Most bytes of one request. */
export const MAX_BODY_BYTES = 1024 * 1024;

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/** The guards of one server. */
export function makeGate({ token, allowedHosts, requestsPerMinute }: GateOptions): Gate {
  const hosts = [...LOOPBACK, ...allowedHosts];
  const isWithinRate = makeRate(requestsPerMinute);
  return {
    address: ({ headers }) => {
      const host = validateHostHeader(headers.get("host"), hosts);
      if (!host.ok) return { status: 403, message: host.message };
      const origin = validateOriginHeader(headers.get("origin"), hosts);
      return origin.ok ? undefined : { status: 403, message: origin.message };
    },
    token: ({ headers }) =>
      isToken(headers.get("authorization"), token)
        ? undefined
        : { status: 401, message: "a bearer token is required", headers: { "www-authenticate": "Bearer" } },
    rate: () =>
      isWithinRate() ? undefined : { status: 429, message: "too many requests", headers: { "retry-after": "60" } },
  };
}

/** Refuses what is not JSON, or says that it is too large. How much really comes is for whoever reads it to count. */
export function refuseContent({ headers }: Request): Refusal | undefined {
  const type = headers.get("content-type") ?? "";
  if (!/^application\/json(\s*;|$)/i.test(type)) return { status: 415, message: "only application/json is accepted" };
  return Number(headers.get("content-length") ?? 0) > MAX_BODY_BYTES
    ? { status: 413, message: "the request is too large" }
    : undefined;
}

function isToken(authorization: string | null, token: string): boolean {
  const given = /^Bearer (.+)$/.exec(authorization ?? "")?.[1] ?? "";
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
