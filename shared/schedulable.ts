import { CacheOpsError } from "./errors.ts";
import type { Operation } from "./operation.ts";
import { backup } from "./operations/backup.ts";
import { check } from "./operations/check.ts";
import { clear } from "./operations/clear.ts";
import { cleanup } from "./operations/cleanup.ts";
import { empty } from "./operations/empty.ts";
import { evict } from "./operations/evict.ts";
import { reconcile } from "./operations/reconcile.ts";
import { scan } from "./operations/scan.ts";
import { assertTimes } from "./schedule.ts";
import type { Cluster, Schedule } from "./schedule-settings.ts";
import { parse } from "./validate.ts";

/** The operations that make sense when nobody watches. */
const SCHEDULABLE: readonly Operation[] = [check, scan, cleanup, evict, reconcile, empty, clear, backup];

/** The operation of a schedule. Throws `invalid_input` when it cannot be scheduled. */
export function operationOf({ name, operation }: Pick<Schedule, "name" | "operation">): Operation {
  const found = SCHEDULABLE.find((known) => known.name === operation);
  if (found !== undefined) return found;
  throw new CacheOpsError("invalid_input", `schedule ${name}: ${operation} cannot be scheduled`, {
    hint: `One of ${SCHEDULABLE.map((known) => known.name).join(", ")}.`,
  });
}

/** What a schedule gives its operation: its input, and that nobody watches, where the operation wants to know. */
export function inputOf(schedule: Pick<Schedule, "name" | "operation" | "input">): Readonly<Record<string, unknown>> {
  const knows = "unattended" in operationOf(schedule).input.properties;
  return { ...(knows ? { unattended: true } : {}), ...schedule.input };
}

/**
 * Throws `invalid_input` that names the schedule when one of them has a name twice, times that mean nothing, input that
 * its operation does not take, or, where hosts share work, times that could be others on another host.
 */
export function assertSchedules(schedules: readonly Schedule[], { enabled: isShared }: Cluster): void {
  const names = new Set<string>();
  for (const schedule of schedules) {
    const { name } = schedule;
    if (names.has(name)) {
      throw new CacheOpsError("invalid_input", `two schedules are called ${name}`, { hint: "Rename one of them." });
    }
    names.add(name);
    if (isShared && schedule.timezone === undefined) {
      throw new CacheOpsError("invalid_input", `schedule ${name} has no timezone`, {
        hint: "Hosts that share work must mean the same times: set it, to UTC or Europe/Berlin for example.",
      });
    }
    assertTimes(schedule);
    parse(operationOf(schedule).input, structuredClone(inputOf(schedule)), `schedule ${name}: its input`);
  }
}
