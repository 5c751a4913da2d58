import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { CHANNEL, json, makeSection, makeTasks, reply, type Clock, type Reply, type Traps } from "./jellyfin-model.ts";

/** How an answer goes wrong. `lost`: carried out, and the answer breaks off; `late`: carried out after it was given up. */
export const FAULTS = [
  "reset",
  "hang",
  "lost",
  "late",
  "half",
  "html",
  "null",
  "shape",
  "empty",
  "500",
  "502",
  "503",
  "401",
  "403",
  "404",
  "302",
] as const;
export type Fault = (typeof FAULTS)[number];

/** A request as the stand-in saw it. */
export interface Seen {
  readonly method: string;
  readonly path: string;
}

export interface JellyfinParts extends Traps {
  readonly version?: "10.10.7" | "10.11.5" | "12.0.0" | "9.9.9";
  /** Without it, the Xtream plugin is not installed; `no-vod`: an old one. */
  readonly plugin?: "none" | "no-vod";
  readonly basePath?: string;
  /** Clock of the server against that of the caller. */
  readonly skewMs?: number;
  /** A proxy took the header Date away. */
  readonly isTimeless?: boolean;
}

export const KEY = "key of an admin/+ü";
export const USER_KEY = "key-of-a-user";

/** A Jellyfin server with the Xtream plugin, in its own time: it passes only while somebody waits. */
export function makeJellyfin(parts: JellyfinParts = {}) {
  const { version = "10.11.5", plugin, basePath = "", skewMs = 0 } = parts;
  const queue: { readonly at: number; readonly run: () => void }[] = [];
  let time = Date.parse("2026-11-21T12:00:00.400Z");
  const clock: Clock = {
    now: () => time,
    iso: () => `${new Date(time + skewMs).toISOString().slice(0, -1)}1234Z`,
    after: (ms, run) => void queue.push({ at: time + ms, run }),
  };
  const advance = (ms: number) => {
    const until = time + ms;
    for (;;) {
      const next = queue.filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      queue.splice(queue.indexOf(next), 1);
      time = Math.max(time, next.at);
      next.run();
    }
    time = until;
  };
  const provider = { isUp: true, account: "Active", categories: [4, 3, 5] as readonly number[] };
  const counts: { value: object | undefined } = {
    value: { MovieCount: 120, SeriesCount: 40, EpisodeCount: 900, SongCount: 0 },
  };
  const tasks = makeTasks(clock, parts, plugin !== "none");
  const sections = {
    Series: makeSection("Series", clock, parts, tasks, provider),
    Vod: makeSection("Vod", clock, parts, tasks, provider),
  };
  let id = "a3f1c7b2d0e94c55b1a2e4f60718293a";
  const seen: Seen[] = [];
  let faultOf: (request: Seen, index: number) => Fault | undefined = () => undefined;

  const answer = (method: string, path: string): Reply => {
    const [route = "", query = ""] = path.split("?");
    const task = /^\/ScheduledTasks\/(Running\/)?([0-9a-f]{32})$/.exec(route);
    if (task !== null) return tasks.answer(method, task[2] ?? "", task[1] !== undefined);
    if (method === "GET" && route === "/ScheduledTasks") return json(tasks.list());
    if (method === "GET" && route === "/System/Info")
      return json({ Id: id, Version: version, ServerName: "Wohnzimmer" });
    if (method === "GET" && route === "/System/Info/Storage" && version !== "10.10.7") return json(STORAGE);
    if (method === "GET" && route === "/Items/Counts") return counts.value ? json(counts.value) : reply(500);
    if (plugin === "none") return reply(404);
    const xtream = /^\/Xtream\/(Series|Vod)(Cache(?:Status|Clear|Refresh)|Categories(?:\/[0-9]+)?)$/.exec(route);
    if (route === "/Xtream/TestProvider") return provider.isUp ? json({ Status: provider.account }) : reply(500);
    const kind = xtream?.[1];
    if (kind !== "Series" && kind !== "Vod") return reply(404);
    if (kind === "Vod" && plugin === "no-vod" && xtream?.[2]?.startsWith("Cache") === true) return reply(404);
    const [what = "", category] = (xtream?.[2] ?? "").split("/");
    if (what === "Categories") {
      if (!provider.isUp) return reply(500);
      if (category === undefined)
        return json(provider.categories.map((_, at) => ({ Id: at + 1, Name: `Kategorie ${at}` })));
      const items = provider.categories[Number(category) - 1] ?? 0;
      return json(Array.from({ length: items }, (_, at) => ({ Id: at, Name: `Serie ${at}`, HasCatchup: false })));
    }
    if (what === "CacheStatus") return method === "GET" ? json(sections[kind].status()) : reply(405);
    if (method !== "POST") return reply(405);
    return json(what === "CacheClear" ? sections[kind].clear() : sections[kind].refresh(query === "fullSync=true"));
  };

  /** One request; `ms` is what the caller would have waited for nothing. */
  const receive = (method: string, path: string, authorization: string | null): Reply | "reset" | "hang" => {
    const request = { method, path: path.slice(basePath.length) };
    seen.push(request);
    const fault = faultOf(request, seen.length - 1);
    const isAdmin = authorization?.startsWith(`MediaBrowser Token="${encodeURIComponent(KEY)}"`) === true;
    const isUser = authorization?.startsWith(`MediaBrowser Token="${USER_KEY}"`) === true;
    if (!isAdmin && !isUser) return reply(401);
    if (isUser) return reply(403);
    if (!path.startsWith(`${basePath}/`)) return reply(404);
    if (fault === "reset" || fault === "hang") return fault;
    if (fault === "lost" || fault === "late") {
      if (fault === "late") clock.after(11_000, () => answer(method, request.path));
      else answer(method, request.path);
      return fault === "late" ? "hang" : "reset";
    }
    if (fault !== undefined) return faulty(fault, () => answer(method, request.path));
    return answer(method, request.path);
  };

  const headers = (): Record<string, string> => ({
    ...(parts.isTimeless === true ? {} : { date: new Date(time + skewMs).toUTCString() }),
    "content-type": "application/json; charset=utf-8",
  });
  const fetch = async (
    url: string,
    init: { readonly method: string; readonly headers: Readonly<Record<string, string>>; readonly signal: AbortSignal },
  ) => {
    init.signal.throwIfAborted();
    advance(20);
    const { pathname, search } = new URL(url);
    const result = receive(init.method, `${pathname}${search}`, init.headers["authorization"] ?? null);
    if (result === "reset")
      throw new TypeError("fetch failed", { cause: Object.assign(new Error("x"), { code: "ECONNRESET" }) });
    if (result === "hang") {
      advance(10_000);
      throw new DOMException("The operation was aborted due to timeout", "TimeoutError");
    }
    const { status, text, breaksOff } = result;
    if (!breaksOff) return new Response(status === 204 ? null : text, { status, headers: headers() });
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(Buffer.from(text.slice(0, text.length / 2)));
        controller.error(new TypeError("terminated"));
      },
    });
    return new Response(body, { status, headers: headers() });
  };

  return {
    fetch,
    now: clock.now,
    /** Lets time pass, as for the one who waits; rejects when the signal is aborted. */
    wait: async (ms: number, signal: AbortSignal) => {
      signal.throwIfAborted();
      advance(ms);
    },
    advance,
    basePath,
    seen,
    provider,
    counts,
    tasks,
    sections,
    channel: () => tasks.of(CHANNEL),
    exchange: () => void (id = "ffffffffffffffffffffffffffffffff"),
    /** Everything that lives in memory is gone; the plugin then refreshes by itself, in part. */
    restart: () => {
      queue.splice(0);
      tasks.restart();
      for (const section of Object.values(sections)) section.restart();
    },
    after: clock.after,
    fail: (choose: typeof faultOf) => void (faultOf = choose),
    /** The same server on a loopback port, for real; its time passes `speed` times as fast as ours. */
    serve: async (speed = 1) => {
      let last = performance.now();
      const server = createServer((request, response) => {
        const now = performance.now();
        advance((now - last) * speed);
        last = now;
        const result = receive(request.method ?? "", request.url ?? "", request.headers.authorization ?? null);
        if (result === "hang") return;
        if (result === "reset") {
          request.socket.destroy();
          return;
        }
        response.sendDate = false;
        response.writeHead(result.status, { ...headers(), ...(result.status === 302 ? { location: "/web/" } : {}) });
        if (result.breaksOff) {
          response.write(result.text.slice(0, result.text.length / 2));
          setImmediate(() => response.destroy());
        } else response.end(result.status === 204 ? undefined : result.text);
      });
      await new Promise<void>((resolve) => {
        server.listen(0, "127.0.0.1", resolve);
      });
      const { port } = server.address() as AddressInfo;
      const close = () => {
        server.closeAllConnections();
        server.close();
      };
      return { url: `http://127.0.0.1:${port}${basePath}`, close };
    },
  };
}

export type Jellyfin = ReturnType<typeof makeJellyfin>;

const STORAGE = {
  CacheFolder: { Path: "/cache", FreeSpace: 5_000, UsedSpace: 7_000 },
  TranscodingTempFolder: { Path: "/cache/transcodes", FreeSpace: -1, UsedSpace: -1 },
  Libraries: [],
};

function faulty(fault: Exclude<Fault, "reset" | "hang" | "lost" | "late">, answer: () => Reply): Reply {
  if (fault === "half") return { ...answer(), status: 200, text: '{"IsRefreshing":false,"Progr', breaksOff: true };
  if (fault === "html") return reply(200, "<!DOCTYPE html><title>Jellyfin</title>");
  if (fault === "null") return json(null);
  if (fault === "shape") return json({ items: [], success: true, isRefreshing: false, State: "Sleeping" });
  if (fault === "empty") return reply(200, "");
  return reply(Number(fault));
}
