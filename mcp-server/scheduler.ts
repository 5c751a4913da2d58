import { hostname } from "node:os";

import {
  CacheOpsError,
  changeDoing,
  claimScheduler,
  decide,
  memoryOf,
  outcomeOf,
  parseDuration,
  recordRun,
  releaseScheduler,
  rememberCluster,
  rememberDue,
  runNow,
  type Context,
  type Schedule,
  type ScheduleOutcome,
} from "@cache-ops/shared";

import { NOTHING_KNOWN } from "./cluster.ts";
import { busyWith, hostSigns, type IdleSigns } from "./idle.ts";
import { pause } from "./pause.ts";
import { carryOut, makeWork, type Work } from "./work.ts";
import type { WorkQueue } from "./work-queue.ts";

/** Does what the configuration schedules, until it is stopped. */
export interface Scheduler {
  /** Begins. Throws `invalid_input` when work is to be shared and no Redis is named; one that does not answer is waited for. */
  start(): Promise<void>;
  /** Stops what is being done at the next safe point and resolves when nothing is done any more. */
  stop(): Promise<void>;
}

/** What came of a schedule, for notifications. */
export interface ScheduleNews extends ScheduleOutcome {
  readonly name: string;
  readonly operation: string;
  /** The directory it was about, where hosts share the work; else empty. */
  readonly part: string;
}

/** What a scheduler depends on. */
export interface SchedulerParts {
  /** A context for one piece of work. It ends with the signal. */
  readonly contextFor: (signal: AbortSignal) => Context;
  readonly log: Context["log"];
  /** Told of everything that ended, also of what was skipped. */
  readonly notify?: ((news: ScheduleNews) => void) | undefined;
  /** Other signs of being busy than this host's own. */
  readonly signs?: Partial<IdleSigns> | undefined;
  /** The work of the server it runs in. */
  readonly work?: Work | undefined;
  /** Resolves after so many milliseconds, or when the signal is aborted; for tests with a clock of their own. */
  readonly wait?: ((ms: number, signal: AbortSignal) => Promise<void>) | undefined;
}

/** Longest pause: after it, a clock that was set or a host that slept is noticed. */
const PAUSE_MS = 30_000;
/** How often a busy host is looked at again. */
const IDLE_MS = 30_000;

/**
 * Makes the scheduler of this host. Of several processes with one state directory one runs the schedules, the others
 * stand by. With `cluster.enabled`, hosts share schedules and work through Redis.
 */
export function makeScheduler(parts: SchedulerParts): Scheduler {
  const { contextFor, log, notify, work = makeWork() } = parts;
  const wait = parts.wait ?? pause;
  const signs = { ...hostSigns, ...parts.signs };
  const ending = new AbortController();
  const { signal } = ending;
  const going = new Set<Promise<void>>();
  let queue: WorkQueue | undefined;
  let loop: Promise<void> | undefined;

  const tell = ({ name, operation }: Schedule, outcome: ScheduleOutcome, part = "") =>
    notify?.({ name, operation, part, ...outcome });
  const skip = (schedule: Schedule, context: Context, reason: string) => {
    const at = context.now();
    const outcome = outcomeOf("skipped", reason);
    recordRun(context.state(), { name: schedule.name, startedAt: at, endedAt: at, part: "", ...outcome });
    tell(schedule, outcome);
  };

  /** Waits until the host is idle; an outcome when that does not come in time. */
  const untilIdle = async (schedule: Schedule, context: Context): Promise<ScheduleOutcome | undefined> => {
    const { name, onlyWhenIdle } = schedule;
    if (onlyWhenIdle === undefined) return undefined;
    const since = context.now();
    const deadline = since + parseDuration(onlyWhenIdle.wait) * 1000;
    for (;;) {
      const busy = await busyWith(onlyWhenIdle, signs, context);
      if (busy === undefined) return undefined;
      if (context.now() >= deadline) return outcomeOf("skipped", `Not idle within ${onlyWhenIdle.wait}: ${busy}.`);
      changeDoing(context.state(), name, { what: "waiting", reason: busy, since });
      await wait(Math.min(IDLE_MS, deadline - context.now()), signal);
      if (signal.aborted) return outcomeOf("cancelled", "The scheduler was stopped while it waited.");
    }
  };

  const runHere = async (schedule: Schedule, context: Context) => {
    try {
      const prepare = () => untilIdle(schedule, context);
      const outcome = await runNow(schedule, context, {
        prepare,
        carryOut: (operation, input) => carryOut(operation, input, context, work, "schedule"),
      });
      tell(schedule, outcome);
    } catch (error) {
      if (!(error instanceof CacheOpsError)) throw error;
      if (error.code === "locked") skip(schedule, context, "The run before is still going on.");
      else log(`schedule ${schedule.name}: ${error.message}`);
    }
  };
  const launch = (schedule: Schedule, context: Context) => {
    const done: Promise<void> = runHere(schedule, context)
      .catch((error: unknown) => log(`schedule ${schedule.name} met a bug`, { error: String(error) }))
      .finally(() => going.delete(done));
    going.add(done);
  };

  /** Deals with one schedule; returns when (ms since 1970) it is to be looked at again. */
  const consider = async (schedule: Schedule, context: Context): Promise<number | undefined> => {
    const now = context.now();
    const state = context.state();
    const memory = memoryOf(state, schedule.name);
    const isNew = memory === undefined || memory.cron !== schedule.cron;
    if (isNew) rememberDue(state, schedule, now);
    if (!schedule.enabled || memory?.isPaused === true) return undefined;
    const here = isNew ? now : memory.dueAt;
    const since = Math.max(here, (await queue?.lastDue(schedule.name)) ?? 0);
    const decision = decide(schedule, hostname(), since, now);
    if (decision.kind === "wait") return decision.until;
    if (decision.kind === "missed") {
      await queue?.noteDue(schedule.name, decision.dueAt);
      rememberDue(state, schedule, decision.dueAt);
      skip(schedule, context, `No scheduler was running at ${new Date(decision.dueAt).toISOString()}.`);
    } else if (queue === undefined) {
      rememberDue(state, schedule, decision.dueAt);
      launch(schedule, context);
    } else {
      await queue.enqueue(schedule, decision.dueAt);
      rememberDue(state, schedule, decision.dueAt);
    }
    return now;
  };

  /** Opens the queue that hosts share; while Redis does not answer nothing is done, and that is shown. */
  const openQueue = async (url: string, context: Context) => {
    const { openWorkQueue } = await import("./work-queue.ts");
    try {
      queue = await openWorkQueue({ contextFor, log, work, signs, tell, signal }, url);
    } catch (error) {
      if (error instanceof CacheOpsError)
        rememberCluster(context.state(), { ...NOTHING_KNOWN, trouble: error.message });
      throw error;
    }
  };

  /** Looks at every schedule; returns how many milliseconds nothing is due. What fails for one leaves the others. */
  const tick = async (sharedUrl: string | undefined): Promise<number> => {
    const context = contextFor(signal);
    const { schedules } = context.configuration;
    if (!claimScheduler(context.state(), context.now())) return PAUSE_MS;
    if (sharedUrl !== undefined && queue === undefined) await openQueue(sharedUrl, context);
    await queue?.sharePauses(schedules, context.state());
    let next = context.now() + PAUSE_MS;
    for (const schedule of schedules) {
      try {
        next = Math.min(next, (await consider(schedule, context)) ?? next);
      } catch (error) {
        if (!(error instanceof CacheOpsError)) throw error;
        log(`schedule ${schedule.name}: ${error.message}`);
      }
    }
    return Math.max(next - context.now(), 0);
  };
  const run = async (sharedUrl: string | undefined) => {
    while (!signal.aborted) {
      let restMs = PAUSE_MS;
      try {
        restMs = await tick(sharedUrl);
      } catch (error) {
        log("the scheduler waits", { error: error instanceof CacheOpsError ? error.message : String(error) });
      }
      await wait(restMs, signal);
    }
  };

  return {
    async start() {
      const { configuration, redisUrl } = contextFor(signal);
      const isShared = configuration.cluster.enabled;
      if (isShared && redisUrl === undefined) {
        throw new CacheOpsError("invalid_input", "cluster.enabled needs a Redis", {
          hint: "Set CACHE_OPS_REDIS_URL, or CACHE_OPS_REDIS_URL_FILE.",
        });
      }
      loop = run(isShared ? redisUrl : undefined);
    },
    async stop() {
      ending.abort();
      await loop;
      await Promise.all(going);
      await queue?.close();
      if (loop !== undefined) releaseScheduler(contextFor(signal).state());
    },
  };
}
