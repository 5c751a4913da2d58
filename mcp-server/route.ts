import type { Context } from "@cache-ops/shared";

/** A request that was let in. */
export interface Call {
  readonly request: Request;
  /** The path as it stood in the request line: nothing of it is decoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** A context whose signal ends with the request, and with the server. */
  readonly context: Context;
}

/** Who answers a request with one method. */
export interface Route {
  readonly answer: (call: Call) => Promise<Response> | Response;
  /** Needs no token: says nothing that a stranger may not know. */
  readonly isOpen?: boolean;
}

/** What answers at an address, by method. */
export type Methods = Readonly<Record<string, Route>>;

const PATH = /^\/[A-Za-z0-9\-._~!$&'()*+,;=:@/%]*$/;

/**
 * The path and the query of a request line, as they stand there. `undefined` for anything but a path that begins with
 * one slash: no address of another server, no backslash, nothing that should have been encoded.
 */
export function targetOf(target: string): { readonly path: string; readonly query: URLSearchParams } | undefined {
  const at = target.indexOf("?");
  const path = at < 0 ? target : target.slice(0, at);
  return PATH.test(path) ? { path, query: new URLSearchParams(at < 0 ? "" : target.slice(at + 1)) } : undefined;
}
