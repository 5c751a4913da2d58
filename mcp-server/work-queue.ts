import { hostname } from "node:os";
import { pid } from "node:process";

import {
  CacheOpsError,
  linkRedis,
  makeRedisClient,
  parseDuration,
  rememberCluster,
  answerWithin,
  type ClusterStatus,
  type Schedule,
  type State,
} from "@cache-ops/shared";

import { clusterStatus, NOTHING_KNOWN, type ClusterPlace, type JobData, type JobResult } from "./cluster.ts";
import { pause } from "./pause.ts";
import { sharePauses } from "./shared-pauses.ts";
import { doJob, idOf, KEEPING, type JobPlace, type QueueParts } from "./shared-work.ts";

/*
 * Work that hosts share, in BullMQ under the keys `cacheops:*`. A time that is due becomes one job, `divide`, whichever
 * host adds it first; that becomes one job for each part of the libraries. A job names its schedule and its part, no
 * more: what is done there is in the configuration of whoever takes it.
 *
 * (Q1) Nothing is changed without the lease of the part's territory, confirmed right before each change (`lease.ts`).
 * (Q2) A job whose host dies or stands still goes back to the others, who plan anew: plans and journals are per host.
 * (Q3) A part of a schedule is not queued again while it is still waiting or being worked on.
 */

/** The work that hosts share. */
export interface WorkQueue {
  /** Adds a time that is due, unless another host did. Throws `unavailable` when Redis is not reached. */
  enqueue(schedule: Schedule, dueAt: number): Promise<void>;
  /** The last time of a schedule (ms since 1970) that any host dealt with. */
  lastDue(name: string): Promise<number | undefined>;
  noteDue(name: string, dueAt: number): Promise<void>;
  /** Brings what was paused or resumed here to the other hosts, and theirs here. */
  sharePauses(schedules: readonly Schedule[], state: State): Promise<void>;
  /** Hands back what is not done. */
  close(): Promise<void>;
}

const PREFIX = "cacheops";
const QUEUE = "work";
const LIMIT_SECONDS = 5;
const MAX_STALLED = 100;
/** How long to wait before asking a Redis again that went away. */
const REST_MS = 1000;

/** Opens the queue and begins to take work from it. Throws `unavailable` when Redis is not reached. */
export async function openWorkQueue(parts: QueueParts, url: string): Promise<WorkQueue> {
  const { contextFor, log, signal } = parts;
  const leaseMs = parseDuration(contextFor(signal).configuration.cluster.lease) * 1000;
  const host = `${hostname()}/${pid}`;
  const link = linkRedis(url, LIMIT_SECONDS);
  await link.ask((client) => client.ping());
  // CommonJS modules have but a default export once they are bundled.
  const [{ default: redis }, { default: bullmq }] = await Promise.all([import("redis"), import("bullmq")]);
  const plain = makeRedisClient(redis, url, LIMIT_SECONDS);
  const connection = plain.duplicate({
    socket: { ...plain.options.socket, reconnectStrategy: (times) => Math.min(50 * 2 ** times, 1000) },
    disableOfflineQueue: false,
  });
  const options = { connection, prefix: PREFIX };
  const queue = new bullmq.Queue<JobData, JobResult>(QUEUE, options);
  const working = new Set<Promise<unknown>>();
  const worker = new bullmq.Worker<JobData, JobResult>(
    QUEUE,
    async (job, token) => {
      const defer = async (ms: number): Promise<never> => {
        await answerWithin(job.moveToDelayed(Date.now() + ms, token), LIMIT_SECONDS, "Redis");
        throw new bullmq.DelayedError();
      };
      const add: JobPlace["add"] = (jobs) => answerWithin(queue.addBulk([...jobs]), LIMIT_SECONDS, "Redis");
      const done = doJob(job, { link, host, leaseMs, defer, add }, parts);
      working.add(done);
      return done.finally(() => working.delete(done));
    },
    {
      ...options,
      // It begins once it is connected: one that never was would ask without a pause.
      autorun: false,
      name: host,
      concurrency: 1,
      lockDuration: leaseMs,
      stalledInterval: leaseMs / 2,
      maxStalledCount: MAX_STALLED,
    },
  );
  const closing = new AbortController();
  let isResting = false;
  // While Redis is away, the library's worker asks again without a pause and leaves no time for anything else.
  const rest = async (): Promise<void> => {
    if (isResting) return;
    isResting = true;
    await worker.pause(true);
    do await pause(REST_MS, closing.signal);
    while (!closing.signal.aborted && !(await answers(link)));
    isResting = false;
    if (!closing.signal.aborted) await worker.resume();
  };
  // A server that does not answer is told of by `beat`; a job that another host took over needs no word.
  queue.on("error", () => undefined);
  worker.on("error", () => void rest());
  try {
    await answerWithin(Promise.all([queue.waitUntilReady(), worker.waitUntilReady()]), LIMIT_SECONDS, "Redis");
  } catch (error) {
    connection.destroy();
    link.close();
    await Promise.allSettled([worker.close(true), queue.close()]);
    throw new CacheOpsError("unavailable", "Redis went away while the shared queue was opened", { cause: error });
  }
  worker.run().catch(rest);
  const beating = beat({ link, queue, host, leaseMs }, parts);
  const noteDue = async (name: string, dueAt: number) => {
    await link.ask((client) => client.eval(NOTE_DUE, { arguments: [DUE_KEY, name, String(dueAt)] }));
  };
  /** Waits for what Redis has a part in, which may have gone away. */
  const orGone = async (closing: Promise<unknown>) => {
    try {
      await answerWithin(closing, LIMIT_SECONDS, "Redis");
    } catch (error) {
      log("the shared queue does not answer", { error: error instanceof Error ? error.name : "" });
    }
  };
  return {
    async enqueue(schedule, dueAt) {
      const data = { schedule: schedule.name, dueAt, part: null };
      const adding = queue.add("divide", data, { ...KEEPING, jobId: idOf("divide", schedule.name, dueAt) });
      try {
        await answerWithin(adding, LIMIT_SECONDS, "Redis");
      } catch (error) {
        throw new CacheOpsError("unavailable", "Redis does not take the work that is due", { cause: error });
      }
      await noteDue(schedule.name, dueAt);
    },
    async lastDue(name) {
      const text = await link.ask((client) => client.hGet(DUE_KEY, name));
      return text === null || text === undefined ? undefined : Number(text);
    },
    noteDue,
    sharePauses: (schedules, state) => sharePauses(link, schedules, state),
    async close() {
      closing.abort();
      const closed = worker.close();
      await Promise.allSettled(working);
      await orGone(Promise.all([closed, beating]));
      await orGone(queue.close());
      connection.destroy();
      link.close();
    },
  };
}

async function answers(link: ReturnType<typeof linkRedis>): Promise<boolean> {
  try {
    await link.ask((client) => client.ping());
    return true;
  } catch (error) {
    if (error instanceof CacheOpsError) return false;
    throw error;
  }
}

/** Gives signs of life, and remembers what the hosts are doing, for whoever asks on this host. */
async function beat(place: ClusterPlace, { contextFor, log, signal }: QueueParts): Promise<void> {
  let status: ClusterStatus | undefined;
  while (!signal.aborted) {
    try {
      status = await answerWithin(clusterStatus(place), LIMIT_SECONDS, "Redis");
    } catch (error) {
      const trouble = error instanceof CacheOpsError ? error.message : "Redis: no answer";
      if (status?.trouble !== trouble) log("the shared queue does not answer", { error: trouble });
      status = { ...(status ?? NOTHING_KNOWN), trouble };
    }
    rememberCluster(contextFor(signal).state(), status);
    await pause(place.leaseMs / 2, signal);
  }
}

/** Hash of our own: schedule → the last time that was dealt with. */
const DUE_KEY = `${PREFIX}:due`;
const NOTE_DUE =
  "if tonumber(redis.call('HGET', ARGV[1], ARGV[2]) or 0) < tonumber(ARGV[3]) then redis.call('HSET', ARGV[1], ARGV[2], ARGV[3]) end return 1";
