import { request as requestHttp, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";

/** What a server said. */
export interface HttpAnswer {
  readonly status: number;
  /** What the `Date` header says, in milliseconds since 1970, if it says anything. */
  readonly date: number | undefined;
  readonly text: string;
}

/** How a question is put. */
export interface HttpQuestion {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Ends the question, and the reading of the answer. */
  readonly signal: AbortSignal;
}

/** Longest answer that is read, in bytes: the orchestrator of 2025 lists every stream that ever was. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/*
 * By node:http rather than fetch: the core reads no globals, what goes wrong comes with its own code, a connection is
 * used once, and redirects, which would carry the key to others, are not followed.
 */

/**
 * Asks by GET and reads the answer whole. Rejects with the system's error when it cannot be reached or the answer breaks
 * off, EMSGSIZE when it is larger than 64 MiB, AbortError when the signal ends it.
 */
export async function getText(question: HttpQuestion): Promise<HttpAnswer> {
  const response = await openAnswer(question);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) {
      response.destroy();
      throw Object.assign(new Error("the answer is too large"), { code: "EMSGSIZE" });
    }
  }
  const date = Date.parse(response.headers.date ?? "");
  return {
    status: response.statusCode ?? 0,
    date: Number.isNaN(date) ? undefined : date,
    text: Buffer.concat(chunks).toString("utf8"),
  };
}

/** Asks by GET; the answer is still to be read. Rejects as {@link getText} does. */
export async function openAnswer({ url, headers, signal }: HttpQuestion): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const send = url.protocol === "https:" ? requestHttps : requestHttp;
  const sent = send(url, { headers: { "user-agent": "cache-ops", ...headers }, signal, agent: false }, resolve);
  sent.on("error", reject);
  sent.end();
  return promise;
}
