import { clearInterval, setInterval } from "node:timers";

import type { Context } from "./context.ts";
import { ERRNO_HINTS } from "./errors.ts";
import { makeLiveSurvey, type DirectoryNews, type RootFigures, type SurveyNews } from "./live-survey.ts";
import { inspectRoots, rootsOfLibraries, type SurveyedRoot } from "./survey.ts";
import { formatSeconds, parseDuration } from "./units.ts";
import { startWatching, type DirectoryWatch } from "./watch-directories.ts";
import { WATCH_HINTS } from "./watch-hints.ts";
import type { ChangedDirectories, Watched } from "./watch-thread.ts";

/** How far the libraries are watched. */
export interface WatchStatus {
  /**
   * `starting`: nothing is known yet; `watching`: every change is told; `limited`: changes in some directories are only
   * found by looking at everything; `unwatched`: all of them are.
   */
  readonly state: "starting" | "watching" | "limited" | "unwatched";
  /** Directories there are, and how many of them cannot be watched. */
  readonly directories: number;
  readonly unwatched: number;
  /** Why not all of them are watched, and what to do; `null`: they are. */
  readonly message: string | null;
  /** When everything was looked at last (ms since 1970); `null`: not yet. */
  readonly lookedAt: number | null;
}

/** What watching brings about. */
export type LibraryEvent =
  | { readonly type: "directory"; readonly news: DirectoryNews }
  | { readonly type: "root"; readonly root: SurveyedRoot }
  | { readonly type: "status"; readonly status: WatchStatus }
  /** A look failed; the next one may not. */
  | { readonly type: "failure"; readonly error: unknown };

/** A survey of the configured libraries that is kept up to date until it is closed. */
export interface LibraryWatch {
  status(): WatchStatus;
  figures(): readonly RootFigures[];
  /** Stops and waits for what is being done. */
  close(): Promise<void>;
}

/** How often roots are inspected: no watch tells that a disk was mounted over one. */
const ROOTS_MS = 5000;
/** How often everything is looked at while not everything can be watched. */
const UNWATCHED_MS = 300_000;
/** A timer cannot wait longer than three weeks; looking once a day costs nothing. */
const LONGEST_MS = 86_400_000;

/**
 * Watches every directory of the configured libraries by the system's own means, and looks again at those in which
 * something changes: `onEvent` is told what is different afterwards. What is below a root that is gone, empty or another
 * place is not judged until the root is back.
 *
 * Everything is looked at once at first, when a root changes, when more happened at once than the system tells of, and
 * every `service.lookEvery`, because some changes are not told: those that another host makes on a share, those of what
 * links lead to, and where a limit of the system stands against watching (every five minutes then).
 */
export function watchLibraries(context: Context, onEvent: (event: LibraryEvent) => void): LibraryWatch {
  const { configuration, signal, now } = context;
  const limitMs = parseDuration(configuration.timeLimit) * 1000;
  const lookEveryMs = Math.min(Math.max(1000, parseDuration(configuration.service.lookEvery) * 1000), LONGEST_MS);
  const survey = makeLiveSurvey();
  const [changed, gone] = [new Set<string>(), new Set<string>()];
  let watching: DirectoryWatch | undefined;
  let watched: Watched | undefined;
  let state: WatchStatus["state"] = "starting";
  let message: string | null = null;
  let lookedAt: number | null = null;
  let needsAll = true;
  let isClosed = false;
  let working: Promise<void> | undefined;

  const status = (): WatchStatus => {
    const { directories = 0, unwatched = 0 } = watched ?? {};
    return { state, directories, unwatched, message, lookedAt };
  };
  const tell = (news: SurveyNews) => {
    if (news.needsAll) needsAll = true;
    for (const root of news.roots) onEvent({ type: "root", root });
    for (const directory of news.directories) onEvent({ type: "directory", news: directory });
  };
  const settle = (now: Watched | undefined) => {
    if (isClosed) return;
    const before = `${state} ${message}`;
    watched = now;
    [state, message] = stateOf(now);
    if (before !== `${state} ${message}`) onEvent({ type: "status", status: status() });
  };
  const onChange = (changes: ChangedDirectories) => {
    for (const path of changes.gone) {
      changed.delete(path);
      gone.add(path);
    }
    for (const path of changes.changed) {
      gone.delete(path);
      changed.add(path);
    }
    if (changes.isOverflow) needsAll = true;
    settle(changes);
    work();
  };

  const lookAtAll = async () => {
    needsAll = false;
    const isFirst = lookedAt === null;
    // What changes from here on is told, so that nothing is missed between watching and looking.
    for (const kept of [changed, gone]) kept.clear();
    watching ??= startWatching(onChange, limitMs);
    const { passports } = await inspectRoots(await rootsOfLibraries(context), context);
    const reached = await watching.begin(passports.map(({ root }) => ({ root, path: root })));
    if (reached === undefined) stopWatching();
    const news = await survey.lookAtAll(context);
    lookedAt = now();
    settle(reached);
    if (!isFirst) tell(news);
  };
  const stopWatching = () => {
    watching?.end();
    watching = undefined;
  };
  const lookAgain = async () => {
    const [some, lost] = [[...changed], [...gone]];
    for (const kept of [changed, gone]) kept.clear();
    tell(await survey.look(some, lost, context));
  };
  const hasWork = () => !isClosed && !signal.aborted && (needsAll || changed.size + gone.size > 0);
  const workOff = async () => {
    while (hasWork()) {
      try {
        await (needsAll ? lookAtAll() : lookAgain());
      } catch (error) {
        if (!signal.aborted) onEvent({ type: "failure", error });
      }
    }
  };
  const work = () => {
    working ??= workOff().finally(() => (working = undefined));
  };
  const tick = async () => {
    if (working !== undefined) return;
    const everyMs = state === "watching" ? lookEveryMs : Math.min(lookEveryMs, UNWATCHED_MS);
    if (now() - (lookedAt ?? -Infinity) >= everyMs || (await survey.haveRootsChanged(context))) needsAll = true;
    if (watching !== undefined && !(await watching.isThere())) stopWatching();
    if (watching === undefined) settle(undefined);
    work();
  };
  let ticking: Promise<void> | undefined;
  const clock = setInterval(
    () => {
      ticking ??= tick()
        .catch((error: unknown) => {
          stopWatching();
          onEvent({ type: "failure", error });
        })
        .finally(() => (ticking = undefined));
    },
    Math.min(ROOTS_MS, lookEveryMs),
  );
  clock.unref();
  work();
  return {
    status,
    figures: () => survey.figures(),
    async close() {
      isClosed = true;
      clearInterval(clock);
      stopWatching();
      await ticking;
      await working;
    },
  };
}

function stateOf(watched: Watched | undefined): [WatchStatus["state"], string | null] {
  if (watched === undefined)
    return ["unwatched", `the libraries cannot be watched: the storage does not answer. ${INSTEAD}`];
  const { unwatched, directories, errno = "" } = watched;
  if (unwatched === 0) return ["watching", null];
  const hint = WATCH_HINTS[errno] ?? ERRNO_HINTS[errno] ?? "";
  const message = `${unwatched} of ${directories} directories cannot be watched (${errno}). ${INSTEAD} ${hint}`;
  return [unwatched === directories ? "unwatched" : "limited", message.trim()];
}

const INSTEAD = `Everything is looked at every ${formatSeconds(UNWATCHED_MS / 1000)} at least instead.`;
