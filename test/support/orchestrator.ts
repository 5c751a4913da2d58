import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { atEnd } from "./at-end.ts";

/**
 * Which orchestrator to be: that of 2025 (no prefix, lists), 1.7 (prefix, events), or the Go one, on its two ports: 8000
 * lists and ignores filters, 8083 wraps and wants the key for everything.
 */
export type Flavour = "2025" | "1.7" | "go-8000" | "go-8083";

export const FLAVOURS: readonly Flavour[] = ["2025", "1.7", "go-8000", "go-8083"];

/** What is wrong with the next answers to a path; taken from the front, one an answer. */
export type Fault =
  | { readonly status: number; readonly body?: string; readonly headers?: Readonly<Record<string, string>> }
  /** The connection is cut before the answer, or in the middle of it. */
  | "reset"
  | "cut"
  /** Never answered. */
  | "hang"
  | { readonly delayMs: number }
  | "none";

export interface EngineLine extends Record<string, unknown> {
  container_id: string;
}
export interface StreamLine extends Record<string, unknown> {
  id: string;
  status: string;
}

/** An orchestrator to the contract of `facts/engines.md` §1.4, with what it does wrong. Ended with the test file. */
export interface StandIn {
  readonly url: string;
  flavour: Flavour;
  engines: EngineLine[];
  streams: StreamLine[];
  /** Wanted from callers; the Go one wants it on 8083 for everything, the others where `isGuarded`. */
  key: string | undefined;
  isGuarded: boolean;
  /** Faults by the last part of the path: engines, streams, stream (events). */
  readonly faults: Map<string, Fault[]>;
  /** What was asked: method and path with its query. */
  readonly asked: string[];
  /** Sends an event to everyone who listens. */
  tell(): void;
  /** Sends everyone who listens a sign of life, which is no event. */
  keepAlive(): void;
  /** How many listen. */
  listeners(): number;
  stop(): Promise<void>;
  /** Comes back at the same address, and has forgotten streams and since when it knows its engines. */
  restart(): Promise<void>;
}

const started: Server[] = [];

/** Starts a stand-in on a free port of the loopback address. */
export async function startOrchestrator(flavour: Flavour = "go-8000"): Promise<StandIn> {
  const listening = new Set<ServerResponse>();
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
    const base = standIn.flavour === "1.7" || standIn.flavour === "go-8000" ? "/api/v1" : "";
    const refusal = refuse(request, pathname);
    if (refusal !== undefined) return send(response, refusal.status, refusal.body);
    if (request.method !== "GET") return send(response, 200, { status: "cleared" });
    if (pathname === `${base}/events/stream` && base !== "") return listen(response);
    if (pathname === `${base}/engines`) return send(response, 200, wrap("engines", standIn.engines.map(line)));
    if (pathname === `${base}/streams`) return send(response, 200, wrap("streams", chosen(searchParams)));
    return send(response, 404, standIn.flavour.startsWith("go") ? "404 page not found\n" : { detail: "Not Found" });
  };
  const refuse = ({ headers }: IncomingMessage, pathname: string) => {
    const { key, isGuarded } = standIn;
    const isEvents = pathname.endsWith("/events/stream");
    if (key === undefined || (standIn.flavour !== "go-8083" && !isGuarded && !isEvents)) return undefined;
    if (headers.authorization === `Bearer ${key}`) return undefined;
    if (standIn.flavour.startsWith("go"))
      return { status: 401, body: { error: `unauthorized: ${headers.authorization}` } };
    // The Python one tells a key that is missing from one that is wrong.
    return {
      status: headers.authorization === undefined ? 401 : 403,
      body: { detail: headers.authorization ?? "missing" },
    };
  };
  // The Go one never fills the streams of an engine.
  const line = (engine: EngineLine) => (standIn.flavour.startsWith("go") ? { ...engine, streams: [] } : engine);
  const wrap = (name: string, list: readonly unknown[]) =>
    standIn.flavour === "go-8083" ? { [name]: list, total: list.length } : list;
  const chosen = (wanted: URLSearchParams) =>
    standIn.flavour.startsWith("go")
      ? standIn.streams
      : standIn.streams.filter((stream) => [...wanted].every(([name, value]) => stream[name] === value));
  const listen = (response: ServerResponse) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    listening.add(response);
    response.on("close", () => listening.delete(response));
    response.write(eventOf({ type: "full_sync", payload: {} }));
  };
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    standIn.asked.push(`${request.method} ${request.url}`);
    const name = new URL(request.url ?? "/", "http://localhost").pathname.split("/").at(-1) ?? "";
    const fault = standIn.faults.get(name)?.shift() ?? "none";
    if (fault === "hang") return;
    if (fault === "reset") {
      request.socket.destroy();
      return;
    }
    if (fault === "cut") {
      const body = JSON.stringify(name === "engines" ? standIn.engines : standIn.streams);
      response.writeHead(200, { "content-type": "application/json", "content-length": body.length + 100 });
      response.write(body, () => request.socket.destroy());
      return;
    }
    if (typeof fault === "object" && "status" in fault) {
      response.writeHead(fault.status, fault.headers).end(fault.body ?? "");
      return;
    }
    if (typeof fault === "object") await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
    answer(request, response);
  };
  let server = createServer((request, response) => void handle(request, response));
  const open = async (port: number) => {
    server.listen(port, "127.0.0.1");
    started.push(server);
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  };
  const port = await open(0);
  const stop = async () => {
    if (!server.listening) return;
    server.close();
    server.closeAllConnections();
    await once(server, "close");
    listening.clear();
  };
  const standIn: StandIn = {
    flavour,
    url: `http://127.0.0.1:${port}`,
    engines: [],
    streams: [],
    key: undefined,
    isGuarded: false,
    faults: new Map(),
    asked: [],
    tell() {
      for (const response of listening) response.write(eventOf({ type: "full_sync", payload: { streams: [] } }));
    },
    keepAlive() {
      for (const response of listening) response.write(": keep-alive\n\n");
    },
    listeners: () => listening.size,
    stop,
    async restart() {
      await stop();
      standIn.streams = [];
      for (const engine of standIn.engines) engine["first_seen"] = new Date().toISOString();
      server = createServer((request, response) => void handle(request, response));
      await open(port);
    },
  };
  return standIn;
}

/** A line of `/engines` for a container. */
export function engineLine(containerId: string, parts: Record<string, unknown> = {}): EngineLine {
  return {
    container_id: containerId,
    container_name: `engine-${containerId.slice(0, 4)}`,
    host: "127.0.0.1",
    port: 6878,
    labels: {},
    streams: [],
    health_status: "healthy",
    first_seen: "2025-10-03T19:50:47.522053+00:00",
    last_seen: new Date().toISOString(),
    ...parts,
  };
}

/** A line of `/streams`, on a container or on none. */
export function streamLine(
  id: string,
  status: string,
  containerId: string | null,
  parts: Record<string, unknown> = {},
) {
  return {
    id,
    key_type: "content_id",
    key: id,
    status,
    is_live: true,
    started_at: "2025-10-03T19:50:47Z",
    ...(containerId === null ? {} : { container_id: containerId }),
    ...parts,
  };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  response
    .writeHead(status, { "content-type": typeof body === "string" ? "text/plain" : "application/json" })
    .end(text);
}

function eventOf(payload: unknown): string {
  return `event: full_sync\ndata: ${JSON.stringify(payload)}\n\n`;
}

atEnd(() => {
  for (const server of started.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});
