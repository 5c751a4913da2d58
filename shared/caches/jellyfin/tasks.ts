import { Type, type Static } from "typebox";

import { CacheOpsError } from "../../errors.ts";
import { present, type Answer, type JellyfinLink } from "./client.ts";

/**
 * Jellyfin's own tasks that only remove what is made again, by their Key. "User data cleanup task" is none of them: it
 * removes what people watched.
 */
export const CLEANUP_TASKS = {
  DeleteCacheFiles: "cache files older than 30 days, temporary files older than 1 day",
  DeleteTranscodeFiles: "transcodes older than 1 day",
  CleanLogFiles: "logs past their retention",
  CleanActivityLog: "activity past its retention",
  OptimizeDatabaseTask: "unused space of the database",
} as const;

/** Key of one of {@link CLEANUP_TASKS}. */
export const CleanupTask = Type.Enum(
  ["DeleteCacheFiles", "DeleteTranscodeFiles", "CleanLogFiles", "CleanActivityLog", "OptimizeDatabaseTask"],
  { description: "Key of a cleanup task of Jellyfin." },
);
export type CleanupTask = Static<typeof CleanupTask>;

/** Key of the task that brings channels up to date after a clear. */
export const CHANNEL_TASK = "RefreshInternetChannels";

const Missing = Type.Null();
const Text = Type.Optional(Type.Union([Type.String(), Missing]));

const TaskInfo = Type.Object({
  Key: Type.String({ minLength: 1 }),
  Id: Type.String({ pattern: "^[0-9A-Fa-f-]{32,36}$" }),
  Name: Text,
  State: Type.Enum(["Idle", "Cancelling", "Running"]),
  CurrentProgressPercentage: Type.Optional(Type.Union([Type.Number(), Missing])),
  LastExecutionResult: Type.Optional(
    Type.Union([
      Type.Object({
        StartTimeUtc: Type.String({ minLength: 10 }),
        EndTimeUtc: Type.String({ minLength: 10 }),
        Status: Type.Enum(["Completed", "Failed", "Cancelled", "Aborted"]),
        ErrorMessage: Text,
      }),
      Missing,
    ]),
  ),
});

/** How a run of a task ended. */
export interface TaskResult {
  /** ISO 8601, as the server wrote them. */
  readonly startedAt: string;
  readonly endedAt: string;
  readonly status: "Completed" | "Failed" | "Cancelled" | "Aborted";
  readonly error: string | null;
}

/** A scheduled task. The server translates its name: only the key says which it is. */
export interface Task {
  readonly key: string;
  readonly id: string;
  readonly name: string | null;
  readonly state: "Idle" | "Cancelling" | "Running";
  /** 0 to 1; null while it does not run. The tasks of Xtream report a hundredth of it: ask the section instead. */
  readonly progress: number | null;
  readonly last: TaskResult | null;
}

/** Every task with the clock of the server. Throws as {@link JellyfinLink.ask} does. */
export async function readTasks(link: JellyfinLink): Promise<Answer<readonly Task[]>> {
  const path = "/ScheduledTasks";
  const { value, date } = present(link, path, await link.ask("GET", path, Type.Array(TaskInfo)));
  const tasks = value.map(taskOf);
  if (new Set(tasks.map(({ key }) => key)).size !== tasks.length) {
    throw new CacheOpsError("unavailable", `Jellyfin server ${link.server.name} lists two tasks of one key`, {
      hint: "Nothing is done there until each key stands for one task; look at its plugins.",
    });
  }
  return { value: tasks, date };
}

/** A task as it is now, or `undefined` when the server does not know it. Throws as {@link JellyfinLink.ask} does. */
export async function readTask(link: JellyfinLink, id: string): Promise<Answer<Task> | undefined> {
  const answer = await link.ask("GET", `/ScheduledTasks/${id}`, TaskInfo);
  return answer && { value: taskOf(answer.value), date: answer.date };
}

/** Asks for a task to run. The server says 204 also when it does nothing: see what became of it. */
export async function startTask(link: JellyfinLink, id: string): Promise<void> {
  await link.tell("POST", `/ScheduledTasks/Running/${id}`, []);
}

/** Asks a running task to stop. One that is not running answers 500, which is as good. */
export async function stopTask(link: JellyfinLink, id: string): Promise<void> {
  await link.tell("DELETE", `/ScheduledTasks/Running/${id}`, [500]);
}

function taskOf(info: Static<typeof TaskInfo>): Task {
  const { Key, Id, Name, State, CurrentProgressPercentage: percent, LastExecutionResult: last } = info;
  return {
    key: Key,
    id: Id,
    name: Name ?? null,
    state: State,
    progress: typeof percent === "number" ? Math.min(Math.max(percent / 100, 0), 1) : null,
    last: last
      ? {
          startedAt: last.StartTimeUtc,
          endedAt: last.EndTimeUtc,
          status: last.Status,
          error: last.ErrorMessage ?? null,
        }
      : null,
  };
}
