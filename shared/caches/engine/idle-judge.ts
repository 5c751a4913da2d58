import type { Context } from "../../context.ts";
import { CacheOpsError } from "../../errors.ts";
import { printable } from "../../printable.ts";
import { parseDuration } from "../../units.ts";
import type { ContainerEngine } from "./container-api.ts";
import { sharersOf } from "./container-place.ts";
import { seeUse, type ContainerUse } from "./container-use.ts";
import { selects, type SeenContainer } from "./container.ts";
import { judgeUse, type IdleMemory, type Idleness, type IdleTerms } from "./idle.ts";
import { judgeByOrchestrator, settle } from "./idle-watch.ts";
import { sayIdleness } from "./idle-words.ts";
import { idleMemories, rememberIdle } from "./ledger.ts";
import { openOrchestrator } from "./orchestrator-client.ts";
import type { EngineCache } from "./settings.ts";

/** A container, and the directories in it whose use is asked for. */
interface Watched {
  readonly container: SeenContainer;
  readonly paths: readonly string[];
}

/** Judges the containers of one engine cache: by its orchestrator, or by what is seen in the containers. */
export interface IdleJudge {
  /**
   * Judges by one look, by container id. `wasIdle`: they were seen idle right before, so however long ago that is by now,
   * the grace period goes on.
   */
  look(watched: readonly Watched[], wasIdle?: "was_idle"): Promise<ReadonlyMap<string, Idleness>>;
  /** Waits the grace period out where nothing else keeps a container busy. Throws `interrupted`. */
  settle(watched: readonly Watched[]): Promise<ReadonlyMap<string, Idleness>>;
}

/** What a judge needs of a context: it remembers what it saw in the state store. */
export type JudgeContext = Pick<Context, "now" | "signal" | "progress" | "state" | "orchestratorKey">;

/** A judge for an engine cache. What it saw last, in this process or another, is where it begins. */
export function openJudge(cache: EngineCache, engine: ContainerEngine, context: JudgeContext): IdleJudge {
  const { now, state } = context;
  const graceMs = parseDuration(cache.grace) * 1000;
  const pollMs = parseDuration(cache.poll) * 1000;
  const client = cache.orchestrator && openOrchestrator(cache.orchestrator, context);
  const look = async (watched: readonly Watched[], maxGapMs: number) => {
    const terms: IdleTerms = { graceMs, maxGapMs };
    const memories = idleMemories(state(), cache.name);
    const found =
      client === undefined
        ? await judgeBySight(watched, engine, cache, memories, terms, context)
        : await judgeByOrchestrator(
            watched.map(({ container }) => container),
            client,
            memories,
            terms,
          );
    const seen = watched.flatMap(({ container }) => memories.get(container.id) ?? []);
    rememberIdle(state(), cache.name, seen, now());
    return found;
  };
  // A look takes its time, too: one that comes late by as much as its pause still counts.
  const maxGapMs = pollMs * 2;
  return {
    look: (watched, wasIdle) => look(watched, wasIdle === undefined ? maxGapMs : Infinity),
    settle: (watched) => settle(() => look(watched, maxGapMs), { pollMs, graceMs }, context),
  };
}

/** Judges containers by their sockets and open files. */
async function judgeBySight(
  watched: readonly Watched[],
  engine: ContainerEngine,
  { ports, commandLimit }: EngineCache,
  memories: Map<string, IdleMemory>,
  terms: IdleTerms,
  { now }: JudgeContext,
): Promise<ReadonlyMap<string, Idleness>> {
  const found = new Map<string, Idleness>();
  const limitSeconds = parseDuration(commandLimit);
  await Promise.all(
    watched.map(async ({ container, paths }) => {
      const { id } = container;
      const askedAt = now();
      let use: ContainerUse = { state: "unknown", reason: "there is no cache that something could use" };
      for (const path of paths) {
        use = await trySeeUse(engine, container, { path, ports, limitSeconds });
        if (use.state !== "idle") break;
      }
      const times = { askedAt, answeredAt: now() };
      const { idleness, memory } = judgeUse(id, use, times, memories.get(id), terms);
      found.set(id, idleness);
      if (memory !== undefined) memories.set(id, memory);
    }),
  );
  return found;
}

/** What could not be seen is not known. Throws `interrupted`. */
async function trySeeUse(...question: Parameters<typeof seeUse>): Promise<ContainerUse> {
  try {
    return await seeUse(...question);
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code === "interrupted") throw error;
    return { state: "unknown", reason: error.message };
  }
}

/** Everyone who works on a cache directory. */
export interface Users {
  /** Its container, and those of the engine cache that share it. */
  readonly watched: readonly Watched[];
  /** Names of others that share it: nobody can say whether they are idle. */
  readonly strangers: readonly string[];
}

/** Finds everyone who works on a cache directory, as it is now. Throws what the engine throws. */
export async function usersOf(
  container: SeenContainer,
  path: string,
  cache: EngineCache,
  engine: ContainerEngine,
): Promise<Users> {
  const isKnown = (other: Parameters<typeof selects>[1]) => selects(cache.containers, other);
  const sharers = sharersOf(container, path, await engine.all(), isKnown);
  const known = sharers.filter(({ other }) => isKnown(other));
  const others = await Promise.all(
    known.map(async ({ other, paths }) => ({ container: await engine.inspect(other.id), paths })),
  );
  return {
    watched: [{ container, paths: [path] }, ...others],
    strangers: sharers.filter(({ other }) => !isKnown(other)).map(({ other }) => other.name),
  };
}

/** Why a cache directory is not to be touched. */
export interface Objection {
  readonly rule: "busy" | "unknown_use" | "shared";
  readonly code: CacheOpsError["code"];
  readonly observed: string;
}

/** What keeps a cache directory from being emptied; `undefined` when everyone who works on it is idle. */
export function objectionOf(
  { watched, strangers }: Users,
  idleness: ReadonlyMap<string, Idleness>,
  now: number,
): Objection | undefined {
  for (const [index, { container }] of watched.entries()) {
    const found = idleness.get(container.id);
    if (found?.state === "idle") continue;
    const said = found === undefined ? "unknown: it was not looked at" : sayIdleness(found, now);
    if (index > 0) {
      return { rule: "shared", code: "blocked", observed: `shared with ${printable(container.name)}, ${said}` };
    }
    if (found?.state === "busy") return { rule: "busy", code: "blocked", observed: said };
    return { rule: "unknown_use", code: found?.code ?? "unavailable", observed: said };
  }
  const [stranger] = strangers;
  if (stranger === undefined) return undefined;
  const observed = `shared with ${printable(stranger)}, which is not one of these engines`;
  return { rule: "shared", code: "blocked", observed };
}
