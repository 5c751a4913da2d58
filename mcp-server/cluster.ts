import type { ClusterJob, ClusterStatus, RedisLink, ScheduleOutcome } from "@cache-ops/shared";

import type { Job, Queue } from "bullmq";

/** What a job says: whose work, of which time, which part. `null`: still to be divided. */
export interface JobData {
  readonly schedule: string;
  readonly dueAt: number;
  readonly part: string | null;
}

/** What came of a job, and which host did it. */
export interface JobResult extends ScheduleOutcome {
  readonly host: string;
}

/** Hash of our own: host → since when (ms since 1970) and when it was last heard of. */
const HOSTS_KEY = "cacheops:hosts";
/** Hosts that were silent for so long are forgotten. */
const FORGOTTEN_MS = 3_600_000;
const SHOWN = 50;

/** This host's place among the hosts that share work. */
export interface ClusterPlace {
  readonly link: RedisLink;
  readonly queue: Queue<JobData, JobResult>;
  readonly host: string;
  readonly leaseMs: number;
}

/** What is known before Redis was first asked. */
export const NOTHING_KNOWN: ClusterStatus = {
  hosts: [],
  waiting: 0,
  active: 0,
  completed: 0,
  failed: 0,
  jobs: [],
  trouble: null,
};

/** Gives a sign of life of this host, and says what all of them are doing. Throws `unavailable`. */
export async function clusterStatus({ link, queue, host, leaseMs }: ClusterPlace): Promise<ClusterStatus> {
  const answer = await link.ask((client) => client.eval(BEAT, { arguments: [HOSTS_KEY, host, String(FORGOTTEN_MS)] }));
  const [now, ...rows] = Array.isArray(answer) ? answer.map(String) : ["0"];
  const hosts = rows.map((row) => {
    const [since = "0", seen = "0", ...name] = row.split(" ");
    const isAlive = Number(now) - Number(seen) < 2 * leaseMs;
    return { host: name.join(" "), isAlive, since: new Date(Number(since)).toISOString() };
  });
  const counts = await queue.getJobCounts("active", "wait", "delayed", "completed", "failed");
  const [active, waiting, failed, completed] = await Promise.all([
    queue.getJobs(["active"], 0, SHOWN - 1),
    queue.getJobs(["wait", "delayed"], 0, SHOWN - 1),
    queue.getJobs(["failed"], 0, SHOWN - 1),
    queue.getJobs(["completed"], 0, SHOWN - 1),
  ]);
  return {
    hosts: hosts.toSorted((a, b) => (a.host < b.host ? -1 : 1)),
    waiting: (counts["wait"] ?? 0) + (counts["delayed"] ?? 0),
    active: counts["active"] ?? 0,
    completed: counts["completed"] ?? 0,
    failed: counts["failed"] ?? 0,
    jobs: [
      ...active.map((job) => jobOf(job, "active")),
      ...waiting.map((job) => jobOf(job, "waiting")),
      ...failed.map((job) => jobOf(job, "failed")),
      ...completed.map((job) => jobOf(job, "completed")),
    ],
    trouble: null,
  };
}

/** Answers the server's time and, a host a line, since when, last seen, name; forgets those that went long ago. */
const BEAT = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local known = redis.call('HGET', ARGV[1], ARGV[2])
local since = known and string.match(known, '^%d+') or string.format('%.0f', now)
redis.call('HSET', ARGV[1], ARGV[2], since .. ' ' .. string.format('%.0f', now))
local answer = { string.format('%.0f', now) }
local all = redis.call('HGETALL', ARGV[1])
for index = 1, #all, 2 do
  local seen = tonumber(string.match(all[index + 1], '%d+$'))
  if now - seen > tonumber(ARGV[3]) then redis.call('HDEL', ARGV[1], all[index])
  else answer[#answer + 1] = all[index + 1] .. ' ' .. all[index] end
end
return answer`;

function jobOf(job: Job<JobData, JobResult>, state: ClusterJob["state"]): ClusterJob {
  const { data, returnvalue, processedBy, attemptsStarted, failedReason } = job;
  return {
    schedule: data.schedule,
    part: data.part ?? "",
    state,
    host: state === "waiting" ? null : (processedBy ?? null),
    attempts: attemptsStarted,
    outcome: state === "completed" ? returnvalue.outcome : null,
    reason: state === "completed" ? returnvalue.reason : state === "failed" ? failedReason : null,
  };
}
