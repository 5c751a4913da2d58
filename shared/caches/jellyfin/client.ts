import type { Static, TSchema } from "typebox";

import type { Context } from "../../context.ts";
import { CacheOpsError, errnoOf } from "../../errors.ts";
import { printable } from "../../printable.ts";
import { parseDuration } from "../../units.ts";
import { matches } from "../../validate.ts";
import { baseOf, tokenVariable, type JellyfinServer } from "./settings.ts";

/** What `fetch` has to offer here; the core takes no global of that name. */
type Fetch = (
  url: string,
  init: {
    readonly method: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly redirect: "manual";
    readonly signal: AbortSignal;
  },
) => Promise<Response>;

/** What working with a server takes from outside. */
export interface JellyfinAccess extends Pick<Context, "now" | "signal" | "progress"> {
  readonly fetch: Fetch;
  /** The API key. A secret: sent to the server, shown nowhere. */
  readonly token: string | undefined;
  /** Ends after so many milliseconds; rejects when the signal is aborted. */
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<unknown>;
}

/** An answer that has the shape it was asked for in. */
export interface Answer<T> {
  readonly value: T;
  /** The server's clock (ms since 1970, whole seconds), if it says. */
  readonly date: number | undefined;
}

/** What a server said to a request without a body to its answer; no proof of anything. */
interface Told {
  readonly status: number;
  readonly date: number | undefined;
}

/** One server, spoken to over HTTP. */
export interface JellyfinLink {
  readonly server: JellyfinServer;
  readonly access: JellyfinAccess;
  /**
   * The answer, or `undefined` for 404. Throws `unavailable` when the server is not reached in time, is not ready, or
   * answers in a shape that is not known; `forbidden` when it does not take the key; `interrupted`.
   */
  ask<S extends TSchema>(method: "GET" | "POST", path: string, shape: S): Promise<Answer<Static<S>> | undefined>;
  /** The same for routes that answer without content. Statuses that `expected` names are returned, too. */
  tell(method: "POST" | "DELETE", path: string, expected: readonly number[]): Promise<Told>;
}

const MAX_BYTES = 16 * 1024 * 1024;

/** A link to a server. Nothing is sent before it is used, nothing is sent twice, and no redirect is followed. */
export function linkJellyfin(server: JellyfinServer, access: JellyfinAccess): JellyfinLink {
  const { name } = server;
  const send = async (method: string, path: string) => {
    if (access.token === undefined) {
      throw new CacheOpsError("forbidden", `there is no API key for the Jellyfin server ${name}`, {
        hint: `Make one in its dashboard (API Keys) and set ${tokenVariable(name)}, or ${tokenVariable(name)}_FILE to a file with mode 600.`,
      });
    }
    const limit = AbortSignal.timeout(parseDuration(server.answerLimit) * 1000);
    const signal = AbortSignal.any([access.signal, limit]);
    const headers = {
      authorization: `MediaBrowser Token="${encodeURIComponent(access.token)}", Client="cache-ops", Device="cache-ops", DeviceId="cache-ops", Version="1"`,
      accept: "application/json",
      "cache-control": "no-cache",
    };
    try {
      const response = await access.fetch(`${baseOf(server)}${path}`, { method, headers, redirect: "manual", signal });
      const date = Date.parse(response.headers.get("date") ?? "");
      const text = await readText(response);
      return { status: response.status, text, date: Number.isNaN(date) ? undefined : date };
    } catch (error) {
      if (access.signal.aborted) throw new CacheOpsError("interrupted", `stopped while asking ${name}`);
      throw unavailable(server, path, limit.aborted ? `no answer within ${server.answerLimit}` : troubleOf(error), {
        cause: error,
      });
    }
  };
  return {
    server,
    access,
    async ask(method, path, shape) {
      const { status, text, date } = await send(method, path);
      if (status === 404) return undefined;
      if (status !== 200) throw refusalOf(server, path, status);
      const value = parseJson(text);
      if (value === undefined) throw unavailable(server, path, "what it sent is not JSON");
      if (!matches(shape, value)) throw unavailable(server, path, "its answer has a shape that is not known");
      return { value, date };
    },
    async tell(method, path, expected) {
      const { status, date } = await send(method, path);
      if (status !== 204 && !expected.includes(status)) throw refusalOf(server, path, status);
      return { status, date };
    },
  };
}

/** The value of an answer; `undefined`, which is 404, throws `unavailable`: this route must be there. */
export function present<T>(link: JellyfinLink, path: string, answer: Answer<T> | undefined): Answer<T> {
  if (answer === undefined) throw refusalOf(link.server, path, 404);
  return answer;
}

function refusalOf(server: JellyfinServer, path: string, status: number): CacheOpsError {
  if (status === 401) {
    return new CacheOpsError("forbidden", `${server.name} does not know the API key (401)`, {
      hint: `Make a new key in the dashboard (API Keys) and set ${tokenVariable(server.name)}.`,
    });
  }
  if (status === 403) {
    return new CacheOpsError("forbidden", `${server.name} does not let this key do that (403)`, {
      hint: "Use an API key, or the token of an administrator.",
    });
  }
  if (status === 404) return unavailable(server, path, "there is no such route (404)");
  if (status >= 300 && status < 400) return unavailable(server, path, `it redirects elsewhere (${status})`);
  if (status === 503) return unavailable(server, path, "it is not ready (503)");
  return unavailable(server, path, `it answered ${status}`);
}

function unavailable(server: JellyfinServer, path: string, what: string, more: { readonly cause?: unknown } = {}) {
  return new CacheOpsError("unavailable", `Jellyfin server ${server.name}, ${path}: ${what}`, {
    hint: `Check that Jellyfin runs at ${baseOf(server)}, with its base path if it has one, and try again.`,
    ...more,
  });
}

/** An errno name, or the error's own words: `fetch` hides the cause one level down. */
function troubleOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const errno = errnoOf(error) ?? errnoOf(cause);
  if (errno !== undefined) return printable(errno);
  const told = cause instanceof Error ? cause : error;
  return printable(told instanceof Error ? told.message : "unknown error");
}

/** The body as text. Throws when it breaks off or is larger than any answer of Jellyfin. */
async function readText(response: Response): Promise<string> {
  if (response.body === null) return "";
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) throw new Error("its answer is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
