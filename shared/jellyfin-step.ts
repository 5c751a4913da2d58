import PQueue from "p-queue";

import { assertAsSeen } from "./caches/jellyfin/as-seen.ts";
import type { JellyfinStep } from "./caches/jellyfin/clear-plan.ts";
import type { JellyfinLink } from "./caches/jellyfin/client.ts";
import { performJellyfin, type JellyfinOutcome } from "./caches/jellyfin/clear.ts";
import { rememberStep } from "./caches/jellyfin/memory.ts";
import { reachJellyfin, serverNamed } from "./caches/jellyfin/reach.ts";
import type { Context } from "./context.ts";
import { CacheOpsError } from "./errors.ts";
import type { RemoteAction } from "./plan.ts";
import { withRemoteLock } from "./remote-lock.ts";
import type { RemoteOutcome } from "./remote-step.ts";

/*
 * Steps on Jellyfin servers. A server does one of them at a time: this process lets them wait for each other, others are
 * kept out by a lock. What a server says is no proof, so a step is done once every part of it was seen in its state.
 */

type JellyfinAction = Extract<RemoteAction, { readonly type: "ask_jellyfin" }>;

/** What waits in this process, by server. */
const queues = new Map<string, PQueue>();

/** Looks whether the server is as planned. Throws `stale_plan` when it is not; asks it for nothing else. */
export async function prepareJellyfin({ jellyfin: step }: JellyfinAction, context: Context): Promise<void> {
  await assertAsSeen(step, await linkFor(step.server, context));
}

/**
 * Takes the step, sees what became of it and remembers that. Throws where nothing was changed; what was not done, or
 * could not be seen to be, makes the outcome `partial`.
 */
export async function performJellyfinStep(
  { file, jellyfin: step }: JellyfinAction,
  context: Context,
): Promise<RemoteOutcome> {
  const outcome = await atServer(step, context, async (link, mayChange) => {
    await mayChange();
    return performJellyfin(step, guarded(link, mayChange));
  });
  const forgotten = remembering(() => rememberStep(context.state(), step, outcome, context.now()));
  return outcomeOf(file, outcome, forgotten, context);
}

/**
 * How far a step came whose process died: it is done again when the server is as planned. Otherwise nobody can tell any
 * more whether it was this step that changed it, so it is `partial`.
 */
export async function examineJellyfin(
  { file, jellyfin: step }: JellyfinAction,
  context: Context,
): Promise<"again" | RemoteOutcome> {
  try {
    // Under the lock: that of the process that died goes with it.
    await atServer(step, context, async (link) => assertAsSeen(step, link));
    return "again";
  } catch (error) {
    if (!(error instanceof CacheOpsError)) throw error;
    const message = `${file}: the run was interrupted, and how far it came is not known: ${error.message}`;
    return { ...NOTHING_KEPT, state: "partial", code: error.code, message };
  }
}

/**
 * Runs `work` while nobody else of ours is at the server. `mayChange` throws once that, or the right to change anything,
 * was lost: a refill takes hours, so it is asked before each request and not only at the start.
 */
async function atServer<T>(
  { server, serverId }: JellyfinStep,
  context: Context,
  work: (link: JellyfinLink, mayChange: () => Promise<void>) => Promise<T>,
): Promise<T> {
  return queueOf(serverId).add(async () =>
    withRemoteLock(`jellyfin ${serverId}`, `Jellyfin server ${server}`, context, async (lock) =>
      work(await linkFor(server, context), async () => {
        lock.assertHeld();
        await context.fence?.();
      }),
    ),
  );
}

/** Nothing that lies on a server is measured in bytes. */
const NOTHING_KEPT = { before: null, after: null } as const;

function outcomeOf(
  file: string,
  { status, parts }: JellyfinOutcome,
  forgotten: string | undefined,
  { signal }: Context,
): RemoteOutcome {
  if (status === "done" && forgotten === undefined)
    return { ...NOTHING_KEPT, state: "done", code: null, message: null };
  const open = parts.flatMap(({ part, state, observed }) => {
    if (state === "done" || state === "not_needed") return [];
    return [`${part} ${state === "failed" ? "failed" : "could not be verified"}: ${observed}`];
  });
  const unnoted = forgotten === undefined ? [] : [`what became of it could not be noted: ${forgotten}`];
  const code = signal.aborted ? "interrupted" : "unavailable";
  return { ...NOTHING_KEPT, state: "partial", code, message: `${file}: ${[...open, ...unnoted].join("; ")}` };
}

/** Why something could not be stored, which takes nothing back of what was done; `undefined`: it was stored. */
function remembering(store: () => void): string | undefined {
  try {
    store();
    return undefined;
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code !== "unavailable") throw error;
    return error.message;
  }
}

/** The link, on which nothing is asked to change anything unless `mayChange` lets it; what that throws is thrown. */
function guarded(link: JellyfinLink, mayChange: () => Promise<void>): JellyfinLink {
  return {
    ...link,
    async ask(method, path, shape) {
      if (method !== "GET") await mayChange();
      return link.ask(method, path, shape);
    },
    async tell(method, path, expected) {
      await mayChange();
      return link.tell(method, path, expected);
    },
  };
}

async function linkFor(name: string, context: Context): Promise<JellyfinLink> {
  return reachJellyfin(serverNamed(name, context), context);
}

function queueOf(serverId: string): PQueue {
  const known = queues.get(serverId) ?? new PQueue({ concurrency: 1 });
  queues.set(serverId, known);
  return known;
}
