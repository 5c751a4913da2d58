import { CacheOpsError } from "../../errors.ts";
import { seenOf, busyReason, type JellyfinStep } from "./clear-plan.ts";
import { readIdentity } from "./clear-status.ts";
import type { Answer, JellyfinLink } from "./client.ts";
import { readTasks, type Task } from "./tasks.ts";
import { readSection, type SectionStatus } from "./xtream.ts";

type TaskStep = Extract<JellyfinStep, { readonly does: "run_task" }>;
type SectionStep = Exclude<JellyfinStep, TaskStep>;

const SEEN = ["startedAt", "completedAt", "isPopulated"] as const;

/**
 * Looks whether a server is as a step saw it when it was planned; asks it for nothing else. Throws `stale_plan` when it
 * is not, `locked` while the task runs, and as {@link JellyfinLink.ask} does.
 */
export async function assertAsSeen(step: JellyfinStep, link: JellyfinLink): Promise<void> {
  if (step.does === "run_task") await seeTask(step, link);
  else await seeSection(step, link);
}

/** The section that a step is about, as it was planned for. Throws as {@link assertAsSeen} does. */
export async function seeSection(step: SectionStep, link: JellyfinLink): Promise<Answer<SectionStatus>> {
  await assertServer(step, link);
  const section = await readSection(link, step.section);
  if (section === undefined) throw staleServer(link, `it has no ${step.section} cache any more`);
  const now = seenOf(section.value);
  if (SEEN.some((key) => now[key] !== step.seen[key])) {
    throw staleServer(link, `its ${step.section} cache was refreshed or cleared since the plan`);
  }
  return section;
}

/** The task that a step is about, idle as it was planned for. Throws as {@link assertAsSeen} does. */
export async function seeTask(step: TaskStep, link: JellyfinLink): Promise<Answer<Task>> {
  await assertServer(step, link);
  const { value: tasks, date } = await readTasks(link);
  const task = tasks.find(({ key }) => key === step.key);
  if (task?.id !== step.id) throw staleServer(link, `its task ${step.key} is not the same any more`);
  const busy = busyReason(step.key, { tasks });
  if (busy !== undefined) {
    throw new CacheOpsError("locked", `${link.server.name}, ${step.key}: ${busy}`, { hint: "Wait until it is done." });
  }
  if ((task.last?.startedAt ?? null) !== step.lastStartedAt) {
    throw staleServer(link, `its task ${step.key} ran since the plan`);
  }
  return { value: task, date };
}

/** The error for a server that is not as the planner saw it. */
export function staleServer(link: JellyfinLink, what: string): CacheOpsError {
  return new CacheOpsError("stale_plan", `Jellyfin server ${link.server.name}: ${what}`, {
    hint: "Plan again: nothing was done.",
  });
}

async function assertServer({ serverId }: JellyfinStep, link: JellyfinLink): Promise<void> {
  const { id } = await readIdentity(link);
  if (id !== serverId) throw staleServer(link, "another server answers there");
}
