export interface Reply {
  readonly status: number;
  readonly text: string;
  readonly breaksOff: boolean;
}

export function reply(status: number, text = status >= 500 ? "Error processing request." : ""): Reply {
  return { status, text, breaksOff: false };
}

export function json(value: unknown): Reply {
  return reply(200, JSON.stringify(value));
}

/** What the real programs do beside what they say. */
export interface Traps {
  /** Requests to start a task that are answered with 204 and lost. */
  readonly lostStarts?: number;
  /** The plugin says that it triggered the channel task, and did not: Jellyfin's signature changed. */
  readonly silentTrigger?: boolean;
  /** The plugin says that it could not trigger it. */
  readonly warnsOfTrigger?: boolean;
  /** A clear is answered with Success, and nothing happens. */
  readonly clearLies?: boolean;
  /** A cancel that comes too late: the refresh ends as Completed. */
  readonly cancelsLate?: boolean;
  /** A cancelled refresh ends only after this long. */
  readonly cancelMs?: number;
  /** Requests to refresh that are taken on and lost. */
  readonly lostRefreshes?: number;
  /** How the channel task ends. */
  readonly channelEnds?: "Completed" | "Failed" | "Cancelled" | "Aborted";
  /** How long it takes. */
  readonly channelMs?: number;
  /** How the cleanup tasks end. */
  readonly taskEnds?: "Completed" | "Failed" | "Cancelled" | "Aborted";
  readonly refreshMs?: number;
  /** A refresh fails at its end. */
  readonly refreshFails?: boolean;
  /** A refresh stops in the middle, without a word: the lists are there, and the series are not. */
  readonly refreshStops?: boolean;
}

export interface Clock {
  readonly now: () => number;
  /** As .NET writes a time: seven digits of a second. */
  readonly iso: () => string;
  readonly after: (ms: number, run: () => void) => void;
}

export const CHANNEL = "RefreshInternetChannels";

/** Key, name as a German server shows it, id. */
const TASKS = [
  ["OptimizeDatabaseTask", "Datenbank optimieren", "31de9ce83b9223d338c77b1a635e144b"],
  [CHANNEL, "Kanäle aktualisieren", "0c9ee3a88fc15547c6852205480da1fd"],
  ["RefreshLibrary", "Medien-Bibliothek scannen", "7738148ffcd07979c7ceb148e06b3aed"],
  ["DeleteCacheFiles", "Cacheverzeichnis aufräumen", "241d4fcb19a1d557ee62428e411da609"],
  ["DeleteTranscodeFiles", "Transkodierungen aufräumen", "7d8088c10902f1bf4072ded42437bcfb"],
  ["CleanLogFiles", "Protokollverzeichnis aufräumen", "1c8ede62c521bea0bf851344f5b8ca40"],
  ["CleanActivityLog", "Aktivitätsprotokolle aufräumen", "b461ef918ab28520928183e794350e3c"],
  ["CleanupUserDataTask", "Benutzerdaten aufräumen", "8240e309407dbbf43c99d30a6cbd239e"],
] as const;
const XTREAM = [
  ["XtreamSeriesCacheRefresh", "Refresh Xtream Series Cache", "434378dfd3e3fd52e87b56ca280fc436"],
  ["XtreamVodCacheRefresh", "Refresh Xtream VOD Cache", "a08c664032298a829c2d10cb1419ad6b"],
] as const;

/** A task as the stand-in keeps it. */
export interface Task {
  readonly key: string;
  readonly id: string;
  readonly name: string;
  state: "Idle" | "Running" | "Cancelling";
  last: { readonly StartTimeUtc: string; readonly EndTimeUtc: string; readonly Status: string } | undefined;
  runs: number;
  isQueued: boolean;
}

export function makeTasks(clock: Clock, traps: Traps, hasPlugin: boolean) {
  const earlier = "2026-11-20T03:00:00.1234567Z";
  const all: Task[] = [...TASKS, ...(hasPlugin ? XTREAM : [])].map(([key, name, id]) => ({
    key,
    name,
    id,
    state: "Idle",
    last: { StartTimeUtc: earlier, EndTimeUtc: earlier, Status: "Completed" },
    runs: 0,
    isQueued: false,
  }));
  let lostStarts = traps.lostStarts ?? 0;
  let epoch = 0;
  const of = (key: string): Task => {
    const task = all.find((known) => known.key === key);
    if (task === undefined) throw new Error(`no task ${key}`);
    return task;
  };
  const end = (task: Task, start: string, status: string) => {
    task.last = { StartTimeUtc: start, EndTimeUtc: clock.iso(), Status: status };
    if (status === "Failed") Object.assign(task.last, { ErrorMessage: "Zugriff \u202everweigert" });
    task.state = "Idle";
    if (!task.isQueued) return;
    task.isQueued = false;
    run(task);
  };
  const run = (task: Task) => {
    // InvalidOperationException, which nobody sees.
    if (task.state !== "Idle") return;
    task.state = "Running";
    task.runs += 1;
    const [start, born] = [clock.iso(), epoch];
    const isChannel = task.key === CHANNEL;
    const status = (isChannel ? traps.channelEnds : traps.taskEnds) ?? "Completed";
    clock.after(isChannel ? (traps.channelMs ?? 3_000) : 3_000, () => {
      if (born === epoch) end(task, start, task.state === "Cancelling" ? "Cancelled" : status);
    });
  };
  const infoOf = ({ key, id, name, state, last }: Task) => ({
    Name: name,
    State: state,
    ...(state === "Idle" ? {} : { CurrentProgressPercentage: key.startsWith("Xtream") ? 0.9 : 50 }),
    Id: id,
    ...(last === undefined ? {} : { LastExecutionResult: last }),
    Triggers: [],
    IsHidden: false,
    Key: key,
  });
  return {
    of,
    run,
    list: () => all.map(infoOf).toSorted((a, b) => a.Name.localeCompare(b.Name)),
    remove: (key: string) => void all.splice(all.indexOf(of(key)), 1),
    cancelIfRunningAndQueue: (key: string) => {
      const task = of(key);
      if (task.state === "Idle") run(task);
      else {
        task.state = "Cancelling";
        task.isQueued = true;
      }
    },
    restart: () => {
      epoch += 1;
      for (const task of all) task.state = "Idle";
    },
    answer: (method: string, id: string, isRunning: boolean): Reply => {
      const task = all.find((known) => known.id === id);
      if (task === undefined) return reply(404);
      if (!isRunning) return method === "GET" ? json(infoOf(task)) : reply(405);
      if (method === "POST") {
        if (lostStarts > 0) lostStarts -= 1;
        else run(task);
        return reply(204);
      }
      if (task.state !== "Running") return reply(500);
      task.state = "Cancelling";
      return reply(204);
    },
  };
}

/** What a version of a section's cache holds: only lists after a refresh that skipped what did not change. */
type Content = "full" | "lists";

export function makeSection(
  name: "Series" | "Vod",
  clock: Clock,
  traps: Traps,
  tasks: ReturnType<typeof makeTasks>,
  provider: { readonly isUp: boolean },
) {
  let version = 1;
  let epoch = 0;
  let lostRefreshes = traps.lostRefreshes ?? 0;
  const holds = new Map<number, Content>([[1, "full"]]);
  let [isRefreshing, isCancelled, wasSynced] = [false, false, true];
  let [progress, text] = [1, "Database populated: 12 items"];
  let start: string | undefined = "2026-11-21T08:00:00.0000000Z";
  let complete: string | undefined = "2026-11-21T08:05:00.0000000Z";
  const clears: number[] = [];
  const begin = (isFull: boolean) => {
    if (isRefreshing) return;
    epoch += 1;
    const [captured, born] = [version, epoch];
    [isRefreshing, isCancelled, progress, text] = [true, false, 0.1, "Fetching categories..."];
    start = clock.iso();
    const over = () => {
      if (born !== epoch) return;
      isRefreshing = false;
      if (isCancelled && traps.cancelsLate !== true) text = "Failed or cancelled";
      else if (traps.refreshFails === true || !provider.isUp) text = "Failed or cancelled";
      else if (traps.refreshStops === true) {
        holds.set(captured, "lists");
        text = "Processing series 3/12 (...)";
      } else {
        holds.set(captured, isFull || !wasSynced ? "full" : "lists");
        [progress, text, complete, wasSynced] = [1, "Completed: 12 series", clock.iso(), true];
      }
    };
    const ms = traps.refreshMs ?? 20_000;
    clock.after(ms / 2, () => {
      if (born === epoch && isRefreshing && !isCancelled) [progress, text] = [1, "Populating Jellyfin database..."];
    });
    clock.after(ms, () => {
      if (!isCancelled) over();
    });
    cancelThis = () => {
      isCancelled = true;
      text = "Cancelling...";
      clock.after(traps.cancelMs ?? 3_000, over);
    };
  };
  let cancelThis: () => void = () => undefined;
  return {
    begin,
    clears,
    /** What can be read from it now; `undefined`: nothing. */
    content: () => holds.get(version),
    isRefreshing: () => isRefreshing,
    status: () => ({
      IsRefreshing: isRefreshing,
      Progress: progress,
      Status: text,
      ...(start === undefined ? {} : { StartTime: start }),
      ...(complete === undefined ? {} : { CompleteTime: complete }),
      IsCachePopulated: holds.has(version),
    }),
    clear: () => {
      let message = "Cache cleared successfully.";
      if (traps.clearLies === true) return { Success: true, Message: message };
      clears.push(clock.now());
      if (isRefreshing) {
        cancelThis();
        message = "Cache cleared. Refresh was cancelled.";
      }
      version += 1;
      [progress, text, complete] = [0, "Cache invalidated", undefined];
      if (traps.warnsOfTrigger === true)
        return { Success: true, Message: `${message} Warning: Could not trigger Jellyfin cleanup.` };
      if (traps.silentTrigger !== true) tasks.cancelIfRunningAndQueue(CHANNEL);
      return { Success: true, Message: `${message} Jellyfin channel refresh triggered to clean up jellyfin.db.` };
    },
    refresh: (isFull: boolean) => {
      if (isRefreshing) return { Success: false, Message: "Cache refresh already in progress" };
      if (lostRefreshes > 0) lostRefreshes -= 1;
      else begin(isFull);
      return { Success: true, Message: "Cache refresh started" };
    },
    restart: () => {
      epoch += 1;
      holds.clear();
      version = 1;
      [isRefreshing, progress, text, start, complete] = [false, 0, "Idle", undefined, undefined];
      begin(false);
    },
    empty: () => {
      holds.clear();
      [progress, text, start, complete] = [0, "Idle", undefined, undefined];
    },
  };
}
