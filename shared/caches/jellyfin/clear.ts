import { CacheOpsError } from "../../errors.ts";
import { printable } from "../../printable.ts";
import { seeSection, seeTask, staleServer } from "./as-seen.ts";
import type { JellyfinStep } from "./clear-plan.ts";
import { readCounts, unlessDown, type ItemCounts } from "./clear-status.ts";
import { watchUntil } from "./clear-watch.ts";
import type { Answer, JellyfinLink } from "./client.ts";
import { isOld, runTask, type Part } from "./tasks-run.ts";
import { CHANNEL_TASK, readTasks, stopTask, type Task } from "./tasks.ts";
import { refill } from "./xtream-refill.ts";
import {
  clearSection,
  countCategories,
  readSection,
  REFRESH_TASKS,
  testProvider,
  type SectionStatus,
} from "./xtream.ts";

/** What became of a step, every part looked at afterwards. */
export interface JellyfinOutcome {
  /** `done` only when every part of it is proven. */
  readonly status: "done" | "partial";
  readonly parts: readonly Part[];
  /** Media in the database; null: it was not told. */
  readonly counts: { readonly before: ItemCounts | null; readonly after: ItemCounts | null };
}

/** A request whose answer was lost may be carried out a little later. */
const LOOKS = 3;

type ClearStep = Extract<JellyfinStep, { readonly does: "clear" }>;

/**
 * Takes one step and sees what became of it. Until the clear or the start is asked for it throws, and nothing but a
 * running refresh was stopped: `stale_plan` when the server is not as the step saw it, `blocked` when the provider
 * fails, `locked` when the task runs, `unavailable`, `forbidden`. From then on nothing is thrown: what could not be
 * seen is `unverified`.
 */
export async function performJellyfin(step: JellyfinStep, link: JellyfinLink): Promise<JellyfinOutcome> {
  if (step.does === "run_task") return performTask(step, link);
  const section = await seeSection(step, link);
  await assertProvider(step, link);
  const before = (await unlessDown(async () => readCounts(link))) ?? null;
  const parts =
    step.does === "clear"
      ? await clear(step, section, link)
      : await attempt("refill", async () => [await refill(link, step.section, section.date)]);
  let after: ItemCounts | null = null;
  const library = await attempt("library", async () => {
    after = (await unlessDown(async () => readCounts(link))) ?? null;
    return [comparison(before, after, link.server.minRefillShare)];
  });
  return outcomeOf([...parts, ...library], before, after);
}

function outcomeOf(parts: readonly Part[], before: ItemCounts | null, after: ItemCounts | null): JellyfinOutcome {
  const isDone = parts.every(({ state }) => state === "done" || state === "not_needed");
  return { status: isDone ? "done" : "partial", parts, counts: { before, after } };
}

/** What became of a part of the work; trouble that ends it becomes a part that says so. */
async function attempt(part: Part["part"], work: () => Promise<readonly Part[]>): Promise<readonly Part[]> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CacheOpsError)) throw error;
    return [{ part, state: "unverified", observed: error.message }];
  }
}

async function performTask(
  step: Extract<JellyfinStep, { readonly does: "run_task" }>,
  link: JellyfinLink,
): Promise<JellyfinOutcome> {
  const { value: task, date: since } = await seeTask(step, link);
  const before = { startedAt: task.last?.startedAt ?? null, since, isRunning: false };
  const how = { part: "task", isQueued: false } as const;
  const parts = await attempt("task", async () => [await runTask(link, task, before, how)]);
  return outcomeOf(parts, null, null);
}

/** Throws `blocked` while what would be read anew cannot be had, `unavailable` when that cannot be told. */
async function assertProvider(step: Exclude<JellyfinStep, { does: "run_task" }>, link: JellyfinLink): Promise<void> {
  const account = await testProvider(link);
  const categories = await countCategories(link, step.section);
  const least = step.does === "clear" ? step.least : 1;
  if (account === "Active" && categories >= least) return;
  const what = account === "Active" ? `offers ${categories} categories, not ${least}` : `says ${printable(account)}`;
  throw new CacheOpsError("blocked", `the provider of ${link.server.name} ${what}`, {
    hint: "Check the provider and plan again; nothing was cleared.",
  });
}

/** Cancel, invalidate, trigger, refill: one request of the plugin, and the proof of each part. */
async function clear(
  { section: name, refills }: ClearStep,
  section: Answer<SectionStatus>,
  link: JellyfinLink,
): Promise<readonly Part[]> {
  const { value: tasks, date } = await readTasks(link);
  const since = date ?? section.date;
  const channels = tasks.find(({ key }) => key === CHANNEL_TASK);
  if (channels === undefined) throw staleServer(link, `it has no task ${CHANNEL_TASK} any more`);
  const own = tasks.find(({ key }) => key === REFRESH_TASKS[name]);
  if (own?.state === "Running") await unlessDown(async () => stopTask(link, own.id));
  const warning = await requestClear(link, name);
  const { isRefreshing } = section.value;
  return [
    ...(await attempt("invalidate", async () => watchClear(link, name, { since, wasRefreshing: isRefreshing }))),
    ...(await attempt("trigger", async () => [await trigger(link, channels, since, warning)])),
    ...(refills ? await attempt("refill", async () => [await refill(link, name, since)]) : []),
  ];
}

/** Why the request may not have come through, or what the plugin warns of. Throws when it was refused for certain. */
async function requestClear(link: JellyfinLink, name: ClearStep["section"]): Promise<string> {
  try {
    const { message, isAccepted } = await clearSection(link, name);
    return isAccepted && !message.includes("Warning") ? "" : printable(message);
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code === "forbidden" || error.code === "locked") throw error;
    // It may have been carried out all the same: the server's state tells.
    return error.message;
  }
}

async function trigger(link: JellyfinLink, channels: Task, since: number | undefined, warning: string): Promise<Part> {
  const before = { startedAt: channels.last?.startedAt ?? null, since, isRunning: channels.state !== "Idle" };
  const part = await runTask(link, channels, before, { part: "trigger", isQueued: true });
  return part.state === "done" || warning === "" ? part : { ...part, observed: `${part.observed} (${warning})` };
}

/** Whether the refresh ended and the cache is empty then: that is the one proof of a clear there is. */
async function watchClear(
  link: JellyfinLink,
  name: ClearStep["section"],
  { since, wasRefreshing }: { readonly since: number | undefined; readonly wasRefreshing: boolean },
): Promise<Part[]> {
  let isEmpty = false;
  let idleLooks = 0;
  let text = "no answer";
  await watchUntil(link, link.server.taskLimit, async () => {
    const answer = await readSection(link, name);
    if (answer === undefined || isOld(answer.date, { since })) return undefined;
    const { isPopulated, isRefreshing } = answer.value;
    text = printable(answer.value.text).slice(0, 200);
    if (isRefreshing) return undefined;
    idleLooks += 1;
    isEmpty = !isPopulated;
    return isEmpty || idleLooks >= LOOKS ? { verdict: true } : undefined;
  });
  const observed = `the server says: ${text}`;
  const cancel = idleLooks === 0 ? "unverified" : wasRefreshing ? "done" : "not_needed";
  return [
    { part: "cancel", state: cancel, observed },
    { part: "invalidate", state: isEmpty ? "done" : "unverified", observed },
  ];
}

/** Whether the database still holds about what it held. */
function comparison(before: ItemCounts | null, after: ItemCounts | null, share: number): Part {
  if (before === null || after === null) {
    return { part: "library", state: "unverified", observed: "the server did not count its items" };
  }
  const keys = ["movies", "series", "episodes"] as const;
  const lost = keys.filter((key) => after[key] < before[key] * share);
  const observed = (lost.length > 0 ? lost : keys).map((key) => `${key} ${before[key]} → ${after[key]}`).join(", ");
  return { part: "library", state: lost.length > 0 ? "failed" : "done", observed };
}
