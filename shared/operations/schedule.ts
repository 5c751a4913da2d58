import { Type, type Static } from "typebox";

import { ClusterStatus } from "../cluster-status.ts";
import type { Context } from "../context.ts";
import { CacheOpsError } from "../errors.ts";
import { thisOwner } from "../owner.ts";
import { defineOperation } from "../operation.ts";
import { printable } from "../printable.ts";
import { runNow } from "../schedule-now.ts";
import { ScheduleOutcome } from "../schedule-run.ts";
import { memoryOf, runsOf, schedulerOf, setPaused, type ScheduleRun } from "../schedule-store.ts";
import { decide } from "../schedule.ts";
import type { Schedule } from "../schedule-settings.ts";
import { count, type View } from "../view.ts";

const closed = { additionalProperties: false } as const;
const Time = Type.Union([Type.String(), Type.Null()], { description: "ISO 8601." });

const LastRun = Type.Object(
  {
    startedAt: Type.String(),
    endedAt: Type.String(),
    part: Type.String({ description: "The directory it was about, where hosts share the work; else empty." }),
    ...ScheduleOutcome.properties,
  },
  closed,
);
type LastRun = Static<typeof LastRun>;

const ScheduleStatus = Type.Object(
  {
    name: Type.String(),
    cron: Type.String(),
    operation: Type.String(),
    apply: Type.Boolean(),
    state: Type.Enum(["ready", "paused", "disabled", "waiting", "running"], {
      description: "waiting: its time has come, and this host is not idle yet.",
    }),
    doing: Type.Union([Type.String(), Type.Null()], { description: "What it does or waits for." }),
    nextRun: Time,
    lastRun: Type.Union([LastRun, Type.Null()]),
  },
  closed,
);
type ScheduleStatus = Static<typeof ScheduleStatus>;

const Status = Type.Object(
  {
    scheduler: Type.Union(
      [Type.Object({ host: Type.String(), process: Type.Integer(), since: Type.String() }, closed), Type.Null()],
      { description: "The process that runs the schedules of this host; null: none does." },
    ),
    schedules: Type.Array(ScheduleStatus),
    ran: Type.Union([ScheduleOutcome, Type.Null()], { description: "With the action run: what came of it." }),
    cluster: Type.Union([ClusterStatus, Type.Null()], { description: "Null: this host works alone." }),
  },
  closed,
);
type Status = Static<typeof Status>;

/** Shows and controls what is done by itself. */
export const schedule = defineOperation({
  name: "schedule",
  title: "Schedules",
  description:
    "Shows what `serve` does by itself, when next and how it went; pauses and resumes schedules, or runs one now.",
  effect: "write",
  addsUp: true,
  isExtraTool: true,
  input: Type.Object(
    {
      action: Type.Optional(
        Type.Enum(["status", "start", "stop", "run"], {
          default: "status",
          description: "start and stop resume and pause, for good; run does it now, idle or not.",
        }),
      ),
      name: Type.Optional(Type.String({ minLength: 1, description: "A schedule. Default: all; run needs one." })),
    },
    closed,
  ),
  positional: "action",
  output: Status,
  rows: "schedules",
  async run({ action, name }, context) {
    const chosen = choose(context.configuration.schedules, name);
    if (action === "start" || action === "stop") setPaused(context.state(), chosen, action === "stop", context.now());
    const ran = action === "run" ? await runNow(onlyOf(chosen, name), context) : null;
    return { ...statusOf(chosen, context), ran };
  },
  outcome({ ran }) {
    if (ran === null || ["complete", "planned", "skipped"].includes(ran.outcome)) return "ok";
    if (ran.outcome === "blocked") return "blocked";
    return ran.outcome === "cancelled" ? "interrupted" : "partial";
  },
  view: viewOf,
});

function choose(schedules: readonly Schedule[], name: string | undefined): readonly Schedule[] {
  const chosen = schedules.filter((known) => name === undefined || known.name === name);
  if (name === undefined || chosen.length > 0) return chosen;
  throw new CacheOpsError("not_found", `there is no schedule "${name}"`, {
    hint: `Schedules: ${namesOf(schedules)}.`,
  });
}

function onlyOf([only]: readonly Schedule[], name: string | undefined): Schedule {
  if (only !== undefined && name !== undefined) return only;
  throw new CacheOpsError("invalid_input", "run needs the name of a schedule", {
    hint: "Give it as name; status shows which there are.",
  });
}

function namesOf(schedules: readonly Schedule[]): string {
  return schedules.map(({ name }) => name).join(", ") || "none is configured";
}

function statusOf(schedules: readonly Schedule[], context: Context): Omit<Status, "ran"> {
  const memory = schedulerOf(context.state(), context.now());
  const scheduler =
    memory?.isAlive === true
      ? { host: memory.owner.host, process: memory.owner.pid, since: isoOf(memory.since) }
      : null;
  return {
    scheduler,
    schedules: schedules.map((one) => scheduleStatus(one, context)),
    cluster: scheduler === null ? null : (memory?.cluster ?? null),
  };
}

function scheduleStatus(schedule: Schedule, context: Context): ScheduleStatus {
  const { name, cron, operation, apply, enabled } = schedule;
  const memory = memoryOf(context.state(), name);
  const [last] = runsOf(context.state(), name, 1);
  const doing = memory?.doing;
  const isPaused = memory?.isPaused === true;
  return {
    name,
    cron,
    operation,
    apply,
    state: doing?.what ?? (!enabled ? "disabled" : isPaused ? "paused" : "ready"),
    doing: doing === undefined ? null : doing.reason,
    nextRun: enabled && !isPaused ? nextOf(schedule, memory?.dueAt, context.now()) : null,
    lastRun: last === undefined ? null : lastOf(last),
  };
}

function nextOf(schedule: Schedule, dueAt: number | undefined, now: number): string | null {
  const decision = decide(schedule, thisOwner().host, Math.max(dueAt ?? now, now), now);
  return decision.kind === "wait" && decision.until !== undefined ? isoOf(decision.until) : null;
}

function lastOf({ startedAt, endedAt, part, outcome, reason, plan, run }: ScheduleRun): LastRun {
  return { startedAt: isoOf(startedAt), endedAt: isoOf(endedAt), part, outcome, reason, plan, run };
}

function isoOf(time: number): string {
  return new Date(time).toISOString();
}

function viewOf({ scheduler, schedules, ran, cluster }: Status): View {
  const facts = [
    [
      "Run by",
      scheduler === null ? "nobody" : `process ${scheduler.process} on ${scheduler.host} since ${scheduler.since}`,
    ],
    ...(cluster === null
      ? []
      : [
          ["Hosts", cluster.hosts.map(({ host, isAlive }) => `${host}${isAlive ? "" : " (silent)"}`).join(", ")],
          [
            "Shared work",
            `${cluster.active} active, ${cluster.waiting} waiting, ${cluster.completed} done, ${cluster.failed} failed`,
          ],
        ]),
  ] as const;
  return {
    title: ran === null ? `${count(schedules.length, "schedule")}.` : printable(`${ran.outcome}: ${ran.reason}`),
    facts: facts.map(([label = "", value = ""]) => [label, printable(value)] as const),
    table: {
      columns: ["Schedule", "Does", "State", "Next", "Last", "Outcome", "Why"],
      rows: schedules.map(({ name, cron, operation, apply, state, doing, nextRun, lastRun }) => [
        `${name} (${cron})`,
        `${operation}${apply ? ", applied" : ""}`,
        state,
        nextRun ?? "-",
        lastRun?.endedAt ?? "never",
        lastRun?.outcome ?? "-",
        printable(doing ?? lastRun?.reason ?? ""),
      ]),
    },
    notes: [
      ...(scheduler === null && schedules.length > 0 ? ["No scheduler is running: `cache-ops serve` is one."] : []),
      ...(cluster?.trouble === null || cluster === null ? [] : [cluster.trouble]),
      ...(cluster?.jobs ?? [])
        .filter(({ state }) => state !== "completed")
        .map(({ state, part, schedule, host, reason }) =>
          printable(
            `${state}: ${part || "dividing"} (${schedule})${host === null ? "" : ` on ${host}`}${reason === null ? "" : `: ${reason}`}`,
          ),
        ),
    ],
  };
}
