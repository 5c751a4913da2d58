import { Type, type Static } from "typebox";

import { ClusterStatus } from "./cluster-status.ts";
import { CacheOpsError } from "./errors.ts";
import { lifeOf, Owner, thisOwner } from "./owner.ts";
import type { Schedule } from "./schedule-settings.ts";
import type { ScheduleOutcome } from "./schedule-run.ts";
import type { State } from "./state.ts";
import { matches } from "./validate.ts";

/*
 * What is remembered of the schedules: which time was dealt with last, whether one is paused, what it does right now,
 * what came of it. Every process on this host sees the same. All times are in milliseconds since 1970.
 */

/** What a schedule does right now, and which process does it. */
export const Doing = Type.Object(
  {
    what: Type.Enum(["waiting", "running"], { description: "waiting: until this host is idle." }),
    reason: Type.String(),
    since: Type.Integer(),
    owner: Owner,
  },
  { additionalProperties: false },
);
export type Doing = Static<typeof Doing>;

/** What is remembered of one schedule. */
export interface ScheduleMemory {
  readonly cron: string;
  /** The last of its times that was dealt with. */
  readonly dueAt: number;
  readonly isPaused: boolean;
  /** When it was last paused or resumed; 0: never. */
  readonly pausedAt: number;
  readonly doing: Doing | undefined;
}

/** One time that was dealt with. */
export interface ScheduleRun extends ScheduleOutcome {
  readonly name: string;
  readonly startedAt: number;
  readonly endedAt: number;
  /** The directory it was about, where hosts share the work; else empty. */
  readonly part: string;
}

/** Of each schedule, so many runs are remembered. */
const KEPT_RUNS = 100;

/** What is remembered of a schedule; `undefined` when it is new. */
export function memoryOf(state: State, name: string): ScheduleMemory | undefined {
  const row = state.get("SELECT cron, due_at, paused, paused_at, doing FROM schedules WHERE name = ?", name);
  if (row === undefined) return undefined;
  return {
    cron: String(row["cron"]),
    dueAt: Number(row["due_at"]),
    isPaused: row["paused"] === 1,
    pausedAt: Number(row["paused_at"]),
    doing: doingIn(row["doing"]),
  };
}

function doingIn(text: unknown): Doing | undefined {
  const doing: unknown = typeof text === "string" ? JSON.parse(text) : undefined;
  return matches(Doing, doing) ? doing : undefined;
}

/** Remembers that the time `dueAt` of a schedule was dealt with, before it is: a time is never dealt with twice. */
export function rememberDue(state: State, { name, cron }: Pick<Schedule, "name" | "cron">, dueAt: number): void {
  state.write(() => {
    state.run(
      `INSERT INTO schedules (name, cron, due_at) VALUES (?, ?, ?)
        ON CONFLICT (name) DO UPDATE SET cron = excluded.cron, due_at = excluded.due_at`,
      name,
      cron,
      dueAt,
    );
  });
}

/** Pauses or resumes schedules, from `at` on: times before that do not count as missed. */
export function setPaused(
  state: State,
  schedules: readonly Pick<Schedule, "name" | "cron">[],
  isPaused: boolean,
  at: number,
): void {
  state.write(() => {
    for (const { name, cron } of schedules) {
      state.run(
        `INSERT INTO schedules (name, cron, due_at, paused, paused_at) VALUES (?1, ?2, ?3, ?4, ?3)
          ON CONFLICT (name) DO UPDATE SET paused = ?4, paused_at = ?3, due_at = max(due_at, ?3)`,
        name,
        cron,
        at,
        isPaused ? 1 : 0,
      );
    }
  });
}

/**
 * Notes that something is done for a schedule now. Throws `locked` while something is; what a dead process was doing is
 * recorded as failed.
 */
export function beginDoing(
  state: State,
  { name, cron }: Pick<Schedule, "name" | "cron">,
  doing: Omit<Doing, "owner">,
): void {
  const owner = thisOwner();
  state.write(() => {
    settleDead(state, name, doing.since, ["dead"]);
    const other = memoryOf(state, name)?.doing;
    if (other !== undefined) {
      throw new CacheOpsError("locked", `schedule ${name} is at work already, in process ${other.owner.pid}`, {
        hint: "Wait until it is done; `cache-ops schedule status` shows it.",
      });
    }
    state.run(
      `INSERT INTO schedules (name, cron, due_at, doing) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (name) DO UPDATE SET doing = ?4`,
      name,
      cron,
      doing.since,
      JSON.stringify({ ...doing, owner }),
    );
  });
}

/** Notes what this process is at, after {@link beginDoing}. */
export function changeDoing(state: State, name: string, doing: Omit<Doing, "owner">): void {
  const text = JSON.stringify({ ...doing, owner: thisOwner() });
  state.write(() => state.run("UPDATE schedules SET doing = ? WHERE name = ?", text, name));
}

/** Records as failed what a process was doing for a schedule that does not live any more. */
function settleDead(state: State, name: string, now: number, lives: readonly ReturnType<typeof lifeOf>[]): void {
  const doing = memoryOf(state, name)?.doing;
  if (doing === undefined || !lives.includes(lifeOf(doing.owner))) return;
  const reason = "Its process ended in the middle; `cache-ops doctor` shows what it left.";
  clearDoing(state, name);
  insertRun(state, {
    name,
    startedAt: doing.since,
    endedAt: now,
    part: "",
    outcome: "failed",
    reason,
    plan: null,
    run: null,
  });
}

/** Records what came of a time of a schedule at which nothing was begun. */
export function recordRun(state: State, run: ScheduleRun): void {
  state.write(() => insertRun(state, run));
}

/** Records what came of what {@link beginDoing} began, and that nothing is done for the schedule any more. */
export function endDoing(state: State, run: ScheduleRun): void {
  state.write(() => {
    const doing = memoryOf(state, run.name)?.doing;
    if (doing !== undefined && isSame(doing.owner, thisOwner())) clearDoing(state, run.name);
    insertRun(state, run);
  });
}

function clearDoing(state: State, name: string): void {
  state.run("UPDATE schedules SET doing = NULL WHERE name = ?", name);
}

function insertRun(state: State, { name, startedAt, endedAt, part, outcome, reason, plan, run }: ScheduleRun): void {
  state.run(
    "INSERT INTO schedule_runs (name, started_at, ended_at, part, outcome, reason, plan, run) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    name,
    startedAt,
    endedAt,
    part,
    outcome,
    reason,
    plan,
    run,
  );
  state.run(
    `DELETE FROM schedule_runs WHERE name = ?1 AND id <=
      (SELECT id FROM schedule_runs WHERE name = ?1 ORDER BY id DESC LIMIT 1 OFFSET ${KEPT_RUNS})`,
    name,
  );
}

/** The latest runs of a schedule, the last one first. */
export function runsOf(state: State, name: string, limit: number): readonly ScheduleRun[] {
  return state.all("SELECT * FROM schedule_runs WHERE name = ? ORDER BY id DESC LIMIT ?", name, limit).map((row) => ({
    name,
    startedAt: Number(row["started_at"]),
    endedAt: Number(row["ended_at"]),
    part: String(row["part"]),
    outcome: row["outcome"] as ScheduleRun["outcome"],
    reason: String(row["reason"]),
    plan: typeof row["plan"] === "string" ? row["plan"] : null,
    run: typeof row["run"] === "string" ? row["run"] : null,
  }));
}

/** The process that runs this host's schedules, or last did. */
export interface SchedulerMemory {
  readonly owner: Owner;
  readonly since: number;
  readonly isAlive: boolean;
  readonly cluster: ClusterStatus | undefined;
}

/** A process that cannot be seen from here, as in another container, counts as alive for so long after its last sign. */
const SILENT_MS = 180_000;
const SIGN_MS = 60_000;

/** Who runs the schedules of this host; `undefined` when nobody does or ever did. */
export function schedulerOf(state: State, now: number): SchedulerMemory | undefined {
  const row = state.get("SELECT owner, since, seen_at, cluster FROM scheduler WHERE id = 1");
  if (row === undefined) return undefined;
  const owner: unknown = JSON.parse(String(row["owner"]));
  if (!matches(Owner, owner)) return undefined;
  const cluster: unknown = typeof row["cluster"] === "string" ? JSON.parse(row["cluster"]) : undefined;
  const life = lifeOf(owner);
  return {
    owner,
    since: Number(row["since"]),
    isAlive: life === "alive" || (life === "unknown" && now - Number(row["seen_at"]) < SILENT_MS),
    cluster: matches(ClusterStatus, cluster) ? cluster : undefined,
  };
}

/**
 * Makes this process the one that runs the schedules of this host; `false` while another living one does. To be asked
 * again and again: that is its sign of life. What a process that went silent was doing is recorded as failed.
 */
export function claimScheduler(state: State, now: number): boolean {
  const self = thisOwner();
  return state.write(() => {
    const current = schedulerOf(state, now);
    if (current !== undefined && isSame(current.owner, self)) {
      state.run("UPDATE scheduler SET seen_at = ?1 WHERE id = 1 AND seen_at <= ?1 - ?2", now, SIGN_MS);
      return true;
    }
    if (current?.isAlive === true) return false;
    const text = JSON.stringify(self);
    state.run("INSERT OR REPLACE INTO scheduler (id, owner, since, seen_at) VALUES (1, ?, ?, ?)", text, now, now);
    for (const row of state.all("SELECT name FROM schedules WHERE doing IS NOT NULL"))
      settleDead(state, String(row["name"]), now, ["dead", "unknown"]);
    return true;
  });
}

/** Gives the schedules up, so that another process may run them. */
export function releaseScheduler(state: State): void {
  state.write(() => {
    const owner = schedulerOf(state, 0)?.owner;
    if (owner !== undefined && isSame(owner, thisOwner())) state.run("DELETE FROM scheduler WHERE id = 1");
  });
}

/** Remembers what the hosts that share work are doing. Only by the process that runs the schedules. */
export function rememberCluster(state: State, status: ClusterStatus): void {
  state.write(() => state.run("UPDATE scheduler SET cluster = ? WHERE id = 1", JSON.stringify(status)));
}

function isSame(a: Owner, b: Owner): boolean {
  return (
    a.pid === b.pid &&
    a.host === b.host &&
    a.boot === b.boot &&
    a.startedAt === b.startedAt &&
    a.namespace === b.namespace
  );
}
