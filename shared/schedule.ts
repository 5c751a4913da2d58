import { createHash } from "node:crypto";

import { Cron } from "croner";
import { Type, type Static } from "typebox";

import { CacheOpsError } from "./errors.ts";
import { DURATION_PATTERN, parseDuration } from "./units.ts";

const closed = { additionalProperties: false } as const;

/** What has to be so before a schedule does anything: every sign that is named must be at or below its number. */
export const OnlyWhenIdle = Type.Object(
  {
    load: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, maximum: 100, description: "Most load (1 minute) for each processor core." }),
    ),
    conversions: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: "Most conversions: ffmpeg on this host, locks of mediabox in libraries.",
      }),
    ),
    streams: Type.Optional(Type.Integer({ minimum: 0, description: "Most active streams." })),
    wait: Type.String({
      pattern: DURATION_PATTERN,
      default: "1h",
      description: "How long to wait for that; then this time is left out.",
    }),
  },
  closed,
);
export type OnlyWhenIdle = Static<typeof OnlyWhenIdle>;

/** Something that is done by itself, again and again. */
export const Schedule = Type.Object(
  {
    name: Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description: "How you call it." }),
    cron: Type.String({
      minLength: 1,
      maxLength: 200,
      description: 'When: five or six cron fields, such as "30 3 * * *"; six begin with seconds.',
    }),
    timezone: Type.Optional(
      Type.String({
        minLength: 1,
        description: "Zone of these times, such as Europe/Berlin. Unset: the host's; hosts that share work need one.",
      }),
    ),
    operation: Type.Enum(["check", "scan", "cleanup", "evict", "reconcile", "empty", "clear", "backup"], {
      description: "What is done.",
    }),
    input: Type.Object({}, { additionalProperties: true, default: {}, description: "Its input." }),
    apply: Type.Boolean({
      default: false,
      description: "Apply a plan at once. One that a guard blocks is never applied.",
    }),
    onlyWhenIdle: Type.Optional(OnlyWhenIdle),
    jitter: Type.String({
      pattern: DURATION_PATTERN,
      default: "0s",
      description: "Begin up to this much later: always the same on one host, so that several do not begin together.",
    }),
    missed: Type.Enum(["skip", "run"], {
      default: "skip",
      description: "A time at which no scheduler was running: run makes up for it, once for all of them.",
    }),
    enabled: Type.Boolean({ default: true }),
  },
  closed,
);
export type Schedule = Static<typeof Schedule>;

/** Sharing of schedules and work by several hosts that see the same libraries under the same paths. */
export const Cluster = Type.Object(
  {
    enabled: Type.Boolean({ default: false, description: "Share schedules and work through CACHE_OPS_REDIS_URL." }),
    lease: Type.String({
      pattern: "^[1-9][0-9]{0,4}[smh]$",
      default: "30s",
      description: "How long a host may be silent before another takes its work over.",
    }),
  },
  { ...closed, default: {} },
);
export type Cluster = Static<typeof Cluster>;

/** Throws `invalid_input` that names the schedule when its expression or its zone means nothing, or never comes. */
export function assertTimes({ name, cron, timezone }: Pick<Schedule, "name" | "cron" | "timezone">): void {
  const refuse = (what: string, cause?: unknown) =>
    new CacheOpsError("invalid_input", `schedule ${name}: ${what}`, {
      hint: 'Write five fields (minute, hour, day, month, weekday), such as "30 3 * * *"; a zone as Europe/Berlin.',
      cause,
    });
  if (timezone !== undefined && !isTimezone(timezone)) throw refuse(`"${timezone}" is no time zone`);
  let next: number | undefined;
  try {
    next = dueAfter({ cron, timezone }, Date.UTC(2024, 0, 1));
  } catch (error) {
    throw refuse(`"${cron}" is no cron expression (${error instanceof Error ? error.message : String(error)})`, error);
  }
  if (next === undefined) throw refuse(`"${cron}" never comes`);
}

function isTimezone(timezone: string): boolean {
  try {
    return Intl.DateTimeFormat("en", { timeZone: timezone }) !== undefined;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

type Times = { readonly cron: string; readonly timezone?: string | undefined };

function timesOf({ cron, timezone }: Times): Cron {
  return new Cron(cron, { paused: true, mode: "5-or-6-parts", ...(timezone === undefined ? {} : { timezone }) });
}

/** The first time (ms since 1970) after `after`; `undefined` when there is none. */
export function dueAfter(times: Times, after: number): number | undefined {
  return timesOf(times).nextRun(new Date(after))?.getTime();
}

/** The last time (ms since 1970) at or before `until`; `undefined` when there is none. */
function dueUntil(times: Times, until: number): number | undefined {
  return timesOf(times)
    .previousRuns(1, new Date(until + 1))
    .at(0)
    ?.getTime();
}

/** How many milliseconds a schedule begins late on this host: less than its jitter, and always the same. */
export function jitterMs({ name, jitter }: Pick<Schedule, "name" | "jitter">, host: string): number {
  const part = createHash("sha256").update(`${host}\n${name}`).digest().readUInt32BE() / 2 ** 32;
  return Math.floor(part * parseDuration(jitter) * 1000);
}

/** Later than this, a time counts as missed: nobody was there when it came. */
const GRACE_MS = 60_000;

/** What is to be done about a schedule now. All times are in milliseconds since 1970. */
export type Decision =
  | { readonly kind: "wait"; readonly until: number | undefined }
  | { readonly kind: "run"; readonly dueAt: number }
  | { readonly kind: "missed"; readonly dueAt: number };

/**
 * Decides about one schedule. `since` is the last time that was dealt with. Of several times that passed only the last
 * counts; a late one is run or left out as {@link Schedule} says.
 */
export function decide(
  schedule: Pick<Schedule, "name" | "cron" | "timezone" | "jitter" | "missed">,
  host: string,
  since: number,
  now: number,
): Decision {
  const delay = jitterMs(schedule, host);
  const dueAt = dueUntil(schedule, now - delay);
  if (dueAt === undefined || dueAt <= since) {
    const next = dueAfter(schedule, Math.max(since, now - delay));
    return { kind: "wait", until: next === undefined ? undefined : next + delay };
  }
  const isLate = now - delay - dueAt > GRACE_MS;
  if (isLate && schedule.missed === "skip") return { kind: "missed", dueAt };
  return { kind: "run", dueAt };
}
