import { setTimeout as pause } from "node:timers/promises";

import type { Context } from "../../context.ts";
import { CacheOpsError } from "../../errors.ts";
import { throwIfAborted } from "../../time-limit.ts";
import { isEnded, judgeIdle, type EngineContainer, type IdleMemory, type Idleness, type IdleTerms } from "./idle.ts";
import type { OrchestratorClient, OrchestratorView } from "./orchestrator-client.ts";
import type { Listening } from "./orchestrator-events.ts";
import type { OrchestratedStream } from "./orchestrator.ts";

/** How often is looked, in milliseconds, beside what {@link IdleTerms} say. */
export interface WatchTerms extends IdleTerms {
  readonly pollMs: number;
}

/** One look: what was seen, and the streams that ended since the one before; or why nothing was seen. */
export type Sighting =
  | { readonly view: OrchestratorView; readonly ended: readonly OrchestratedStream[] }
  | { readonly error: CacheOpsError };

/** Orchestrators tell of every change of speed: that would be a look after the other. */
const PAUSE_MS = 1000;
/** A timer cannot wait longer than three weeks; looking once a day costs nothing. */
const LONGEST_MS = 86_400_000;

/** A look at the orchestrator, with its failures as values. Throws `interrupted`, and bugs. */
export async function seeOrchestrator(client: OrchestratorClient): Promise<OrchestratorView | CacheOpsError> {
  try {
    return await client.look();
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code === "interrupted") throw error;
    return error;
  }
}

/**
 * Streams that played at one look and do not at the next, as they were when they played. Newer orchestrators forget a
 * stream when it ends, older ones keep it as `ended`; one that has another container by now ended on the one before.
 * Those that began and ended in between are told where the orchestrator still has them.
 */
export function endedBetween(before: OrchestratorView, after: OrchestratorView): OrchestratedStream[] {
  const now = new Map(after.streams.map((stream) => [stream.id, stream]));
  const then = new Set(before.streams.map(({ id }) => id));
  const isOver = (stream: OrchestratedStream) => {
    const next = now.get(stream.id);
    if (next === undefined || isEnded(next)) return true;
    return stream.containers.length > 0 && !stream.containers.some((name) => next.containers.includes(name));
  };
  return [
    ...before.streams.filter((stream) => !isEnded(stream) && isOver(stream)),
    ...after.streams.filter((stream) => isEnded(stream) && !then.has(stream.id)),
  ];
}

/**
 * Looks again and again, until the signal of the context ends it (throws `interrupted`): every `pollMs`, and
 * sooner, but not sooner than after a second, when the orchestrator tells of a change. That a stream ended is a reason to judge its
 * container, not yet a judgement.
 */
export async function* watchOrchestrator(
  client: OrchestratorClient,
  { pollMs }: Pick<WatchTerms, "pollMs">,
  { signal }: Pick<Context, "signal">,
): AsyncGenerator<Sighting, never, undefined> {
  let before: OrchestratorView | undefined;
  let listening: Listening | undefined;
  let change = new AbortController();
  const onEvent = () => change.abort();
  try {
    for (;;) {
      const seen = await seeOrchestrator(client);
      if (seen instanceof CacheOpsError) {
        yield { error: seen };
      } else {
        if (listening === undefined || listening.state() === "ended") {
          await listening?.close();
          listening = client.listen(seen.base, onEvent);
        }
        yield { view: seen, ended: before === undefined ? [] : endedBetween(before, seen) };
        before = seen;
      }
      const waitMs = Math.min(pollMs, LONGEST_MS);
      const pauseMs = Math.min(waitMs, PAUSE_MS);
      await waitFor(pauseMs, signal);
      await waitFor(waitMs - pauseMs, signal, change.signal);
      change = new AbortController();
    }
  } finally {
    await listening?.close();
  }
}

/** Judges containers by one look at their orchestrator. `memories` holds what is known from before, and gets what was seen. */
export async function judgeByOrchestrator(
  containers: readonly EngineContainer[],
  client: OrchestratorClient,
  memories: Map<string, IdleMemory>,
  terms: IdleTerms,
): Promise<ReadonlyMap<string, Idleness>> {
  const seen = await seeOrchestrator(client);
  const found = new Map<string, Idleness>();
  for (const container of containers) {
    const { idleness, memory } = judgeIdle(container, seen, memories.get(container.id), terms);
    found.set(container.id, idleness);
    if (memory !== undefined) memories.set(container.id, memory);
  }
  return found;
}

/**
 * Judges again and again, until each container is idle, or something other than the grace period keeps it from being so;
 * at most three grace periods long. Throws `interrupted`.
 */
export async function settle(
  judge: () => Promise<ReadonlyMap<string, Idleness>>,
  { pollMs, graceMs }: Pick<WatchTerms, "pollMs" | "graceMs">,
  { signal, progress, now }: Pick<Context, "signal" | "progress" | "now">,
): Promise<ReadonlyMap<string, Idleness>> {
  const begun = now();
  for (;;) {
    const found = await judge();
    const waiting = [...found.values()].filter(isInGrace).length;
    const isOver = now() - begun > graceMs * 3;
    if (waiting === 0 || isOver) return found;
    progress({ message: "waiting for engines to stay idle", done: found.size - waiting, total: found.size });
    await waitFor(Math.min(pollMs, LONGEST_MS), signal);
  }
}

function isInGrace(idleness: Idleness): boolean {
  return idleness.state === "busy" && idleness.by.every(({ kind }) => kind === "grace");
}

/** Waits, until `early` is aborted at the longest. Throws `interrupted` when `signal` is. */
async function waitFor(ms: number, signal: AbortSignal, early?: AbortSignal): Promise<void> {
  try {
    await pause(ms, undefined, { signal: early === undefined ? signal : AbortSignal.any([signal, early]) });
  } catch (error) {
    throwIfAborted(signal);
    if (early?.aborted !== true) throw error;
  }
}
