import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { request, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { execPath } from "node:process";
import { createInterface } from "node:readline";

import { atEnd } from "../support/at-end.ts";
import { cliEnvironment, PROGRAM } from "../support/cli.ts";
import { makePlace } from "../support/place.ts";
import type { HttpServer } from "./http-server.ts";

/** A running `cache-ops serve`. Its `url` is that of MCP. */
export interface ServiceServer extends HttpServer {
  readonly origin: string;
  readonly state: string;
  /** The lines of its log so far. */
  readonly log: readonly LogLine[];
  readonly process: ChildProcess;
}

/** One line of the log. */
type LogLine = Readonly<Record<string, unknown>> & { readonly message: string };

/** How a service is started. */
export interface ServiceParts {
  readonly words?: readonly string[];
  readonly config?: Readonly<Record<string, unknown>>;
  readonly state?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Words of a program that starts the one it is given. */
  readonly within?: readonly string[];
  /** Which lines it says are kept: for who asks a million times. */
  readonly keeps?: (line: string) => boolean;
}

/** Starts the real service on a free port. It is ended with the test file at the latest. */
export async function startService(parts: ServiceParts = {}): Promise<ServiceServer> {
  const state = parts.state ?? makePlace("state");
  const config = join(makePlace("config"), "config.json");
  writeFileSync(config, JSON.stringify(parts.config ?? {}));
  const words = [...(parts.within ?? []), execPath, PROGRAM, "serve", "--port", "0", ...(parts.words ?? [])];
  const child = spawn(words[0] ?? "", words.slice(1), {
    env: { ...cliEnvironment(state, config), ...parts.env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  running.add(child);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const log: LogLine[] = [];
  const said: string[] = [];
  const { keeps = () => true } = parts;
  return new Promise((resolve, reject) => {
    void ended.then((code) => reject(new Error(`the service ended with ${code}:\n${said.join("\n")}`)));
    createInterface(child.stderr).on("line", (line) => {
      if (!keeps(line)) return;
      said.push(line);
      if (!line.startsWith("{")) return;
      const entry = JSON.parse(line) as LogLine;
      log.push(entry);
      if (entry.message !== "serving") return;
      const [origin, tokenFile] = [String(entry["url"]), String(entry["tokenFile"])];
      resolve({
        origin,
        url: `${origin}/mcp`,
        tokenFile,
        token: readFileSync(tokenFile, "utf8").trim(),
        state,
        log,
        process: child,
        stop: () => {
          child.kill("SIGTERM");
          return ended;
        },
      });
    });
  });
}

/** An answer of the service. */
export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON. */
  readonly json: Record<string, unknown>;
}

/** What is asked beside method and path. A header of `null` is left away. */
export interface Asked {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string | null>>;
}

/** Asks the service with its token; the path goes out as it is. */
export function ask(
  { origin, token }: Pick<ServiceServer, "origin" | "token">,
  line: string,
  { body, headers = {} }: Asked = {},
): Promise<Answered> {
  const [method = "GET", path = "/"] = line.split(" ");
  const { hostname, port, host } = new URL(origin);
  const text = body === undefined ? undefined : JSON.stringify(body);
  const all = {
    host,
    authorization: `Bearer ${token}`,
    ...(text === undefined
      ? {}
      : { "content-type": "application/json", "content-length": `${Buffer.byteLength(text)}` }),
    ...headers,
  };
  const kept = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null)) as Record<string, string>;
  return new Promise((resolve, reject) => {
    const options = { hostname, port, method, path, headers: kept, agent: false, setHost: false } as const;
    const outgoing = request(options, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (part: string) => (text += part));
      answer.on("end", () => {
        const isJson = answer.headers["content-type"]?.startsWith("application/json") === true;
        const json = isJson ? (JSON.parse(text) as Record<string, unknown>) : {};
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text, json });
      });
      answer.on("error", reject);
    });
    outgoing.on("error", reject);
    outgoing.end(text);
  });
}

/** Sends bytes as they are and returns the status that is answered; 0 when the connection is closed without one. */
export async function sendRaw({ origin }: Pick<ServiceServer, "origin">, bytes: string | Buffer): Promise<number> {
  const { hostname, port } = new URL(origin);
  const socket = connect(Number(port), hostname);
  let answer = "";
  socket.setEncoding("latin1");
  socket.on("data", (part: string) => (answer += part));
  socket.on("error", () => socket.destroy());
  // Not ended: to the server, that would be a client that went away.
  socket.write(bytes);
  await once(socket, "close");
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
}

const running = new Set<ChildProcess>();

atEnd(() => {
  for (const child of running) child.kill("SIGKILL");
});
