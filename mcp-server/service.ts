import type { Server } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

import { operations as registry, type Context, type Operation } from "@cache-ops/shared";

import { makeDesk } from "./call.ts";
import { cacheRoutes, directoryRoutes } from "./cache-routes.ts";
import { docsRoutes } from "./docs.ts";
import { engineRoutes } from "./engine-routes.ts";
import { watchEngines } from "./engine-watch.ts";
import { makeGate, type Refusal } from "./gate.ts";
import { healthRoutes } from "./health.ts";
import { answerFailure, answerJson, answerRefusal } from "./http-answer.ts";
import { makeMcpEndpoint, refuseMcp, type HttpOptions } from "./http.ts";
import { libraryRoutes } from "./library-routes.ts";
import { makeLibraryNews } from "./library-watch.ts";
import { listen } from "./listen.ts";
import { makeMetrics } from "./metrics.ts";
import { openApi } from "./openapi.ts";
import { API, offeredOperations, restRoutes } from "./rest.ts";
import { targetOf, type Methods } from "./route.ts";
import { keepRegisters } from "./registers.ts";
import { makeScheduler } from "./scheduler.ts";
import { buildServer } from "./server.ts";
import type { Settings } from "./settings.ts";
import { makeStatus } from "./status.ts";
import { watchUsage } from "./watch.ts";
import { makeWebhooks } from "./webhooks.ts";
import { errorOf, stoppable, stopWork } from "./work.ts";

/** What the operator says about the service, beside what holds for agents. */
export interface ServiceOptions extends HttpOptions {
  readonly log: Context["log"];
  /** `/metrics` needs no token. */
  readonly hasOpenMetrics: boolean;
  /** Signs what webhooks are sent. */
  readonly webhookSecret: string | undefined;
  /** How long work that is being done may take to end by itself when the service stops; then it is stopped. */
  readonly graceSeconds: number;
  /** What REST offers; by default the registry. */
  readonly operations?: readonly Operation[];
}

/** A service that runs. */
export interface Service {
  /** Where, without a path. */
  readonly origin: string;
  /** Takes no more requests, lets work end or stops it at its next safe point, and ends. */
  close(): Promise<void>;
}

/** Serves MCP, REST, its description, metrics and health on one address. Resolves once it listens. */
export async function serveService(settings: Settings, options: ServiceOptions): Promise<Service> {
  const { log, operations = registry } = options;
  const desk = makeDesk();
  const { work } = desk;
  const own = new AbortController();
  const context: Context = settings.contextFor(own.signal);
  const gate = makeGate(options);
  const strangers = makeGate(options);
  const mcp = makeMcpEndpoint(() => buildServer(settings, desk));
  const webhooks = makeWebhooks(context.configuration.service.webhooks, { secret: options.webhookSecret, log });
  const watch = watchUsage(context, webhooks.tell, log);
  const status = makeStatus(context);
  const libraries = makeLibraryNews(context);
  const metrics = makeMetrics(context, { usage: watch, status, libraries, webhooks, version: settings.version });
  const scheduler = makeScheduler({ contextFor: settings.contextFor, log, work });
  let isStopping = false;

  work.observers.add(({ operation, face, outcome, seconds, error }) => {
    const bug = outcome === "internal" && error instanceof Error ? { error: error.stack ?? error.message } : {};
    log("operation", { operation: operation.name, face, outcome, seconds: rounded(seconds), ...bug });
  });
  work.observers.add(watch.observe);
  work.observers.add(status.observe);
  work.observers.add(metrics.observe);
  work.observers.add(webhooks.observe);

  const offered = { operations, readOnly: settings.readOnly, confirm: settings.confirm };
  const cacheOptions = { ...offered, figures: watch.figures };
  const document = openApi(offeredOperations(offered), settings.version);
  const fixed = new Map<string, Methods>([
    ...healthRoutes(context, () => isStopping),
    ...docsRoutes(),
    ...restRoutes(offered, work),
    ...cacheRoutes(cacheOptions, work),
    ...engineRoutes(status),
    ...libraryRoutes(libraries),
    ["/openapi.json", { GET: { answer: () => answerJson(200, document) } }],
    ["/metrics", { GET: { answer: metrics.answer, isOpen: options.hasOpenMetrics } }],
  ]);
  const ofDirectory = directoryRoutes(cacheOptions, work);

  const answer = async (request: Request, target: string): Promise<Response> => {
    const at = targetOf(target);
    if (at?.path === "/mcp") {
      const refused = gate.address(request) ?? gate.token(request) ?? gate.rate();
      return refused === undefined ? mcp.fetch(request) : refuseMcp(refused);
    }
    const methods = at === undefined ? undefined : (fixed.get(at.path) ?? ofDirectory(at.path));
    const route = Object.hasOwn(methods ?? {}, request.method) ? methods?.[request.method] : undefined;
    const refused =
      gate.address(request) ??
      (route?.isOpen === true ? strangers.rate() : (gate.token(request) ?? gate.rate())) ??
      (at === undefined ? BAD_TARGET : methods === undefined ? NOTHING_HERE : undefined);
    if (refused !== undefined) return answerRefusal(refused);
    if (at === undefined || route === undefined) return answerRefusal(otherMethod(methods ?? {}));
    try {
      return await stoppable(work, request.signal, async (signal) =>
        route.answer({ request, ...at, context: settings.contextFor(signal) }),
      );
    } catch (error) {
      if (errorOf(error, { name: "" }) === undefined)
        log("bug", { error: error instanceof Error ? error.stack : String(error) });
      return answerFailure(error, { name: nameOf(at.path) });
    }
  };

  const { origin, server, close } = await listen(async (request, target) => {
    const startedAt = performance.now();
    const response = await answer(request, target);
    const seconds = rounded((performance.now() - startedAt) / 1000);
    // Without the query: it is for the operation, and people put secrets there.
    log("request", { method: request.method, path: target.split("?")[0], status: response.status, seconds });
    if (isStopping) response.headers.set("connection", "close");
    return response;
  }, options);
  // What runs by itself begins here, when the service can be seen, and ends first in `close`. It may change caches.
  const registers = settings.readOnly ? undefined : keepRegisters(context, watch.renew);
  if (!settings.readOnly) await scheduler.start();
  const engineWatch = settings.readOnly ? undefined : watchEngines({ contextFor: settings.contextFor, log, work });
  watch.start();
  log("listening", { origin });
  return {
    origin,
    close: async () => {
      isStopping = true;
      log("stopping", { running: work.running.size });
      const closed = close();
      const unattended = Promise.all([scheduler.stop(), engineWatch?.stop()]);
      await stopWork(work, options.graceSeconds);
      await unattended;
      await mcp.close();
      own.abort();
      await libraries.close();
      await registers?.close();
      await watch.stop();
      await webhooks.close();
      server.closeIdleConnections();
      await Promise.race([closed, patience(server)]);
      log("stopped", {});
    },
  };
}

const BAD_TARGET: Refusal = { status: 400, message: "the address is not a path, or not percent-encoded" };
const NOTHING_HERE: Refusal = { status: 404, message: "there is nothing here; /docs shows what there is" };

function otherMethod(methods: Methods): Refusal {
  const allow = Object.keys(methods).join(", ");
  return { status: 405, message: `only ${allow} can be used here`, headers: { allow } };
}

/** To the millisecond. */
function rounded(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

/** What an address is about, in messages. */
function nameOf(path: string): string {
  return path.startsWith(API) ? path.slice(API.length) : path.split("/").slice(0, 3).join("/");
}

/** How long answers may still be on their way once everything is done. */
const LAST_MS = 2000;

async function patience(server: Server): Promise<void> {
  await delay(LAST_MS, undefined, { ref: false });
  server.closeAllConnections();
}
