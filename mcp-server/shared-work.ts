import { createHash } from "node:crypto";

import {
  CacheOpsError,
  divideWork,
  memoryOf,
  outcomeOf,
  parseDuration,
  recordRun,
  runNow,
  type Context,
  type RedisLink,
  type Schedule,
  type ScheduleOutcome,
  type WorkPart,
} from "@cache-ops/shared";

import type { Job, JobsOptions } from "bullmq";

import type { JobData, JobResult } from "./cluster.ts";
import { busyWith, type IdleSigns } from "./idle.ts";
import { acquireLease, type Lease } from "./lease.ts";
import { carryOut, type Work } from "./work.ts";

/** What sharing work depends on: that of the scheduler, and `tell` for what came of a part. */
export interface QueueParts {
  readonly contextFor: (signal: AbortSignal) => Context;
  readonly log: Context["log"];
  readonly work: Work;
  readonly signs: IdleSigns;
  readonly tell: (schedule: Schedule, outcome: ScheduleOutcome, part?: string) => void;
  readonly signal: AbortSignal;
}

/** Where a job comes from, and what can be done with it beside doing it. */
export interface JobPlace {
  readonly link: RedisLink;
  readonly host: string;
  readonly leaseMs: number;
  readonly add: (
    jobs: readonly { readonly name: string; readonly data: JobData; readonly opts: JobsOptions }[],
  ) => Promise<unknown>;
  /** Gives the job back for so many milliseconds; whichever host is free takes it then. */
  readonly defer: (ms: number) => Promise<never>;
}

/** A part that no host does within this time is given up. */
const GIVEN_UP_MS = 86_400_000;
const KEPT = { age: 7 * 86_400, count: 10_000 };

/** How jobs are tried again, after a lease was lost while its host lived, and how long they are kept to be shown. */
export const KEEPING = {
  attempts: 10,
  backoff: { type: "exponential", delay: 1000 },
  removeOnComplete: KEPT,
  removeOnFail: KEPT,
} as const;

/** What makes a job the same on every host. */
export function idOf(kind: "divide" | "part", name: string, dueAt: number, part = ""): string {
  const digest = createHash("sha256").update(part).digest("hex").slice(0, 32);
  return `${kind}-${name}-${dueAt}-${digest}`;
}

/** Does what a job is for. Throws when its lease was lost, and what {@link JobPlace.defer} throws. */
export async function doJob(job: Job<JobData, JobResult>, place: JobPlace, parts: QueueParts): Promise<JobResult> {
  const { signal } = parts;
  const { dueAt, schedule: name, part } = job.data;
  const context = parts.contextFor(signal);
  if (signal.aborted) return place.defer(0);
  const { host } = place;
  const schedule = context.configuration.schedules.find((known) => known.name === name && known.enabled);
  if (context.now() - dueAt > GIVEN_UP_MS) return { host, ...outcomeOf("skipped", "No host did it in time.") };
  if (schedule === undefined) return place.defer(place.leaseMs);
  if (memoryOf(context.state(), name)?.isPaused === true)
    return { host, ...outcomeOf("skipped", "The schedule was paused.") };
  const outcome =
    job.name === "divide"
      ? await divide(schedule, dueAt, context, place, parts)
      : await doPart(schedule, dueAt, part ?? "", context, place, parts);
  return { host, ...outcome };
}

async function divide(
  schedule: Schedule,
  dueAt: number,
  context: Context,
  { add }: JobPlace,
  parts: QueueParts,
): Promise<ScheduleOutcome> {
  const { name } = schedule;
  const { parts: all, troubles } = await divideWork(schedule, context);
  await add(
    all.map(({ label }) => ({
      name: "part",
      data: { schedule: name, dueAt, part: label },
      opts: {
        ...KEEPING,
        jobId: idOf("part", name, dueAt, label),
        deduplication: { id: idOf("part", name, 0, label) },
      },
    })),
  );
  const [first] = troubles;
  if (first === undefined) return outcomeOf("complete", `Divided into ${all.length}.`);
  const blocked = outcomeOf("blocked", `${first.path}: ${first.message}. The rest is divided into ${all.length}.`);
  return recorded(schedule, "", blocked, context, parts);
}

async function doPart(
  schedule: Schedule,
  dueAt: number,
  label: string,
  context: Context,
  place: JobPlace,
  parts: QueueParts,
): Promise<ScheduleOutcome> {
  const { link, host, leaseMs, defer } = place;
  const { signal, signs, contextFor, tell } = parts;
  const [found] = (await divideWork(schedule, context, label)).parts;
  if (found === undefined) return outcomeOf("skipped", "It is not there any more.");
  const { onlyWhenIdle } = schedule;
  const busy = onlyWhenIdle && (await busyWith(onlyWhenIdle, signs, context));
  if (onlyWhenIdle !== undefined && busy !== undefined) {
    if (context.now() - dueAt <= parseDuration(onlyWhenIdle.wait) * 1000) return defer(leaseMs);
    const skipped = outcomeOf("skipped", `Not idle within ${onlyWhenIdle.wait}: ${busy}.`);
    return recorded(schedule, label, skipped, context, parts);
  }
  const stop = new AbortController();
  const lease = await acquireLease(link, found.territory, host, leaseMs, () => stop.abort());
  if (lease === undefined) return defer(leaseMs / 2);
  try {
    const ends = AbortSignal.any([signal, stop.signal]);
    const outcome = await work(schedule, found, fenced(contextFor(ends), found, lease), parts);
    if (lease.isLost()) throw new CacheOpsError("locked", `the lease on ${found.territory} was lost`);
    // The person runs this schedule here by hand: later.
    if (outcome === undefined) return await defer(leaseMs);
    tell(schedule, outcome, label);
    return signal.aborted ? await defer(0) : outcome;
  } finally {
    await lease.release();
  }
}

/** What came of it; `undefined` while this schedule is at work on this host. */
async function work(schedule: Schedule, { label, input }: WorkPart, context: Context, parts: QueueParts) {
  try {
    return await runNow({ ...schedule, input: { ...schedule.input, ...input } }, context, {
      part: label,
      carryOut: (operation, given) => carryOut(operation, given, context, parts.work, "schedule"),
    });
  } catch (error) {
    if (error instanceof CacheOpsError && error.code === "locked") return undefined;
    throw error;
  }
}

function recorded(
  schedule: Schedule,
  part: string,
  outcome: ScheduleOutcome,
  context: Context,
  { tell }: QueueParts,
): ScheduleOutcome {
  const at = context.now();
  recordRun(context.state(), { name: schedule.name, startedAt: at, endedAt: at, part, ...outcome });
  tell(schedule, outcome, part);
  return outcome;
}

function fenced(context: Context, { part }: WorkPart, lease: Lease): Context {
  return {
    ...context,
    part,
    fence: async () => {
      await context.fence?.();
      await lease.assertHeld();
    },
  };
}
