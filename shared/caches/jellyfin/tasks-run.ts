import { printable } from "../../printable.ts";
import type { JellyfinLink } from "./client.ts";
import { unlessDown } from "./clear-status.ts";
import { timeOf, watchUntil } from "./clear-watch.ts";
import { readTask, startTask, type Task, type TaskResult } from "./tasks.ts";

/** How one part of a step went: `unverified` when it may have happened and nothing proves it. */
export interface Part {
  readonly part: "cancel" | "invalidate" | "trigger" | "refill" | "task" | "library";
  readonly state: "done" | "not_needed" | "failed" | "unverified";
  /** What was seen, in words for a person. */
  readonly observed: string;
}

/** What a new run of a task is told from an old one by. */
export interface Before {
  /** Start of the last run before, as the server wrote it. */
  readonly startedAt: string | null;
  /** The server's clock before anything was asked (ms since 1970); `undefined`: it does not say. */
  readonly since: number | undefined;
  /** Whether a run was under way then, which is none of ours. */
  readonly isRunning: boolean;
}

const LOOKS_BEFORE_ASKING = 3;
const MOST_REQUESTS = 2;

/**
 * Sees to it that a task runs once, and how that ends. It is asked for at once (`isQueued` false), or only when it does
 * not begin by itself. 204 counts for nothing: a run is one when its result began after `before`.
 *
 * Throws `interrupted` and `forbidden`.
 */
export async function runTask(
  link: JellyfinLink,
  { id, key }: Pick<Task, "id" | "key">,
  before: Before,
  { part, isQueued }: { readonly part: Part["part"]; readonly isQueued: boolean },
): Promise<Part> {
  let requests = 0;
  let idleLooks = 0;
  let { startedAt, isRunning } = before;
  const request = async () => {
    requests += 1;
    idleLooks = 0;
    // Whether the request came through, only the task itself can say.
    await unlessDown(async () => startTask(link, id));
  };
  if (!isQueued) await request();
  const verdict = await watchUntil<Part>(link, link.server.taskLimit, async () => {
    const answer = await readTask(link, id);
    if (answer === undefined) return { verdict: { part, state: "failed", observed: `${key} is not there any more` } };
    if (isOld(answer.date, before)) return undefined;
    const { key: foundKey, state, last, progress } = answer.value;
    if (foundKey !== key) return { verdict: { part, state: "failed", observed: `${id} is another task by now` } };
    if (state !== "Idle") {
      idleLooks = 0;
      const done = Math.round((progress ?? 0) * 100);
      link.access.progress({ message: `${link.server.name}: ${key}`, done, total: 100 });
      return undefined;
    }
    if (last !== null && last.startedAt !== startedAt) {
      if (isOurs(last, { since: before.since, isRunning })) return { verdict: { part, ...endOf(key, last) } };
      // The run that was under way ended: the next one counts.
      ({ startedAt } = last);
      isRunning = false;
    }
    idleLooks += 1;
    if (idleLooks < LOOKS_BEFORE_ASKING) return undefined;
    if (requests < MOST_REQUESTS) await request();
    else return { verdict: { part, state: "failed", observed: `no run of ${key} is recorded since` } };
    return undefined;
  });
  return verdict ?? { part, state: "unverified", observed: `${key} did not end within ${link.server.taskLimit}` };
}

/** Whether an answer was made before the work began, as a cache on the way would give it. */
export function isOld(date: number | undefined, { since }: Pick<Before, "since">): boolean {
  return date !== undefined && since !== undefined && date < since;
}

/** Whether a new result is of a run that began after `before`. The server tells its time in whole seconds. */
function isOurs({ startedAt, endedAt }: TaskResult, { since, isRunning }: Omit<Before, "startedAt">): boolean {
  const [start, end] = [timeOf(startedAt), timeOf(endedAt)];
  if (start === undefined || end === undefined || end < start) return false;
  if (since === undefined) return !isRunning;
  return start >= since + (isRunning ? 1000 : 0);
}

function endOf(key: string, { status, endedAt, error }: TaskResult): Pick<Part, "state" | "observed"> {
  if (status === "Completed") return { state: "done", observed: `${key} completed at ${printable(endedAt)}` };
  const reason = error === null ? "" : `: ${printable(error).slice(0, 300)}`;
  return { state: "failed", observed: `${key} ended as ${status}${reason}` };
}
