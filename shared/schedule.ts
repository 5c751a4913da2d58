import { createHash } from "node:crypto";

import { Cron } from "croner";

import { CacheOpsError } from "./errors.ts";
import type { Schedule } from "./schedule-settings.ts";
import { parseDuration } from "./units.ts";

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
