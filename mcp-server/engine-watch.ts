import {
  CacheOpsError,
  openOrchestrator,
  parseDuration,
  playedOn,
  runScheduled,
  watchOrchestrator,
  type CarryOut,
  type Context,
  type EngineCache,
  type OrchestratedStream,
} from "@cache-ops/shared";

import { carryOut, type Work } from "./work.ts";

/** What empties engine caches by itself. */
export interface EngineWatch {
  /** Stops what is being done at the next safe point and resolves when nothing is done any more. */
  stop(): Promise<void>;
}

/** What the watch depends on. */
export interface EngineWatchParts {
  /** A context for one piece of work, with the operator's bounds. It ends with the signal. */
  readonly contextFor: (signal: AbortSignal) => Context;
  readonly log: Context["log"];
  /** The work of the server it runs in: whoever wants to know of failures is told by it. */
  readonly work: Work;
  /** Runs the operations; by default as work of this server. */
  readonly carryOut?: CarryOut;
}

/**
 * Watches the orchestrator of every engine cache that is to be emptied when streams end, from now on: the containers
 * they played on are planned to be emptied, and the plan is applied. It holds only what is idle by then. What ends
 * meanwhile is dealt with afterwards, all of it at once. An orchestrator that does not answer is logged once and asked
 * again.
 */
export function watchEngines(parts: EngineWatchParts): EngineWatch {
  const ending = new AbortController();
  const context = parts.contextFor(ending.signal);
  const watched = context.configuration.engines
    .filter(({ onStreamEnd }) => onStreamEnd)
    .map((cache) => watchOne(cache, context, parts));
  return {
    stop: async () => {
      ending.abort();
      await Promise.all(watched);
    },
  };
}

async function watchOne(cache: EngineCache, context: Context, { log, work, carryOut: given }: EngineWatchParts) {
  const { name: engine, orchestrator, poll } = cache;
  if (orchestrator === undefined) return;
  const run: CarryOut = given ?? ((operation, input) => carryOut(operation, input, context, work, "schedule"));
  const ended: OrchestratedStream[] = [];
  let isAnswering = true;
  let emptying: Promise<void> | undefined;

  const empty = async () => {
    while (ended.length > 0 && !context.signal.aborted) {
      const container = await containersOf(ended.splice(0), cache, context);
      // They may be of another engine cache of the same orchestrator.
      if (container?.length === 0) continue;
      const input = { engine: [engine], ...(container === undefined ? {} : { container }) };
      const wanted = { name: engine, operation: "empty", input, apply: true } as const;
      log("streams ended", { engine, container, ...(await runScheduled(wanted, context, run)) });
    }
  };
  const watch = async () => {
    const terms = { pollMs: parseDuration(poll) * 1000 };
    for await (const seen of watchOrchestrator(openOrchestrator(orchestrator, context), terms, context)) {
      if ("error" in seen) {
        const { code, message } = seen.error;
        if (isAnswering) log("orchestrator in trouble", { engine, code, error: message });
        isAnswering = false;
        continue;
      }
      if (!isAnswering) log("orchestrator answers again", { engine });
      isAnswering = true;
      // One that never got a container has left nothing anywhere.
      ended.push(...seen.ended.filter(({ containers }) => containers.length > 0));
      if (ended.length > 0) emptying ??= untilStopped(empty, log).finally(() => (emptying = undefined));
    }
  };
  await untilStopped(watch, log);
  await emptying;
}

/** Does something that may be stopped. A bug of ours is logged, and ends nothing else. */
async function untilStopped(work: () => Promise<void>, log: Context["log"]): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof CacheOpsError && error.code === "interrupted") return;
    log("bug", { error: error instanceof Error ? error.stack : String(error) });
  }
}

/** The containers that streams played on; `undefined` where that cannot be told: whoever plans then says why. */
async function containersOf(streams: readonly OrchestratedStream[], cache: EngineCache, context: Context) {
  try {
    return await playedOn(cache, streams, context);
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code === "interrupted") throw error;
    return undefined;
  }
}
