import { watch, type FSWatcher } from "node:fs";
import { join, resolve } from "node:path";
import { clearInterval, clearTimeout, setInterval, setTimeout } from "node:timers";

import type { Context } from "../../context.ts";
import { CacheOpsError, errnoOf, ERRNO_HINTS, systemError } from "../../errors.ts";
import { isOurName } from "../../naming.ts";
import { inspectRoot } from "../../passport.ts";
import { parseDuration } from "../../units.ts";
import { WATCH_HINTS } from "../../watch-hints.ts";
import { realRootOf } from "./configured.ts";
import { isKnown, measureTree, type Measurement } from "./measure.ts";
import { inspectManagedRoot, memberDirectory } from "./member-path.ts";
import { directoriesAt } from "./members.ts";
import { withManagedStore } from "./open.ts";
import { lastUse, reconcile, type Reconciliation } from "./reconcile.ts";
import type { ManagedCache } from "./settings.ts";

/** What watching brought about. */
export type WatchEvent =
  | { readonly type: "registered"; readonly path: string; readonly bytes: number; readonly isNew: boolean }
  | { readonly type: "reconciled"; readonly found: Reconciliation }
  | { readonly type: "trouble"; readonly code: string; readonly message: string; readonly hint: string | undefined };

/** A watch that goes on until it is closed. */
export interface Watching {
  /** Stops and waits for what is being done. */
  close(): Promise<void>;
}

/** How often register and disk are compared while the system tells of new directories, and while it does not. */
const WATCHED_SECONDS = 3600;
const UNWATCHED_SECONDS = 300;
/** A timer cannot wait longer than three weeks; looking once a day costs nothing. */
const LONGEST_MS = 86_400_000;
/** How long a burst of events is collected. */
const BURST_MS = 100;

/**
 * Keeps the register of a managed cache up to date while it runs: compares it with the disk at once and every hour, and
 * registers directories that appear, with their real size, once they have not been written to for `settle`.
 *
 * Only the levels down to the managed directories are watched, not what lies in them: a watch for each of a million
 * files would use up the system's. What grows or is read deeper is seen by the next comparison; on Linux reading is
 * seen from times of access, as far as the mount keeps them. Where the system cannot watch (network shares, limits),
 * `onChange` is told why, and the comparison runs every five minutes instead.
 *
 * `onChange` is called for everything that happens, one call at a time. Errors of a directory do not end the watch.
 */
export async function watchManaged(
  cache: ManagedCache,
  context: Context,
  onChange: (event: WatchEvent) => void,
): Promise<Watching> {
  const watchers = new Map<string, FSWatcher>();
  const timers = new Map<string, NodeJS.Timeout>();
  const settleMs = parseDuration(cache.settle) * 1000;
  const limits = { signal: context.signal, timeLimitSeconds: parseDuration(context.configuration.timeLimit) };
  let isClosed = false;
  let work = Promise.resolve();

  /** Does one thing after the other; its troubles are told, bugs are not caught. */
  const enqueue = (task: () => Promise<void>) => {
    const before = work;
    work = (async () => {
      await before;
      if (isClosed || context.signal.aborted) return;
      try {
        await task();
      } catch (error) {
        tell(systemError(error, `cannot look after ${cache.name}`));
      }
    })();
  };
  const tell = (error: unknown) => {
    if (!(error instanceof CacheOpsError)) throw error;
    if (error.code === "interrupted") return;
    onChange({ type: "trouble", code: error.code, message: error.message, hint: error.hint });
  };

  const expect = (path: string, afterMs: number) => {
    if (isClosed || timers.has(path)) return;
    const timer = setTimeout(
      () => {
        timers.delete(path);
        enqueue(() => settle(path));
      },
      Math.min(Math.max(afterMs, BURST_MS), LONGEST_MS),
    );
    timer.unref();
    timers.set(path, timer);
  };

  /** Registers a directory if it has come to rest, or comes back to it later. */
  const settle = async (path: string) => {
    const { realPath } = await inspectManagedRoot(cache, context);
    let measurement: Measurement;
    try {
      measurement = await measureTree(await memberDirectory(realPath, path, context), limits);
    } catch (error) {
      // It went away, or is a file or a link: none of ours.
      const code = error instanceof CacheOpsError ? error.code : errnoOf(error);
      if (["not_found", "invalid_input", "forbidden", "ENOENT", "ENOTDIR"].includes(code ?? "")) return;
      throw error;
    }
    const now = context.now();
    const restMs = measurement.newestMtimeMs + settleMs - now;
    if (restMs > 0 || !isKnown(measurement)) {
      expect(path, isKnown(measurement) ? restMs : settleMs);
      return;
    }
    const { bytes, files } = measurement;
    await withManagedStore(cache, context, async (store) => {
      const known = await store.get(path);
      if (known?.bytes === bytes && known.files === files) return;
      await store.register([{ path, bytes, files, accessedAt: lastUse(measurement, false, now) }], now);
      onChange({ type: "registered", path, bytes, isNew: known === undefined });
    });
  };

  /** Watches a level, and what lies below it down to the managed directories. Throws the system's error. */
  const watchLevel = async (realRoot: string, way: string, depth: number): Promise<void> => {
    const watcher = watch(join(realRoot, way), (_, name) => {
      if (name === null || isOurName(name)) return;
      const path = way === "" ? name : `${way}/${name}`;
      if (depth === 1) expect(path, 0);
      else if (!watchers.has(path)) enqueue(() => follow(realRoot, path, depth - 1));
    });
    watcher.on("error", (error) => unwatch(error));
    watcher.unref();
    watchers.get(way)?.close();
    watchers.set(way, watcher);
    if (depth === 1) return;
    const { directories } = await directoriesAt(realRoot, way, 1, limits);
    for (const directory of directories) await watchLevel(realRoot, directory, depth - 1);
  };

  /** A level that appeared: watched from now on, and what it holds already is taken as new. */
  const follow = async (realRoot: string, way: string, depth: number) => {
    const { directories: siblings } = await directoriesAt(realRoot, way.split("/").slice(0, -1).join("/"), 1, limits);
    if (!siblings.includes(way)) return;
    try {
      await watchLevel(realRoot, way, depth);
    } catch (error) {
      unwatch(error);
    }
    const { directories } = await directoriesAt(realRoot, way, depth, limits);
    for (const directory of directories) expect(directory, 0);
  };

  const unwatch = (error: unknown) => {
    const code = errnoOf(error);
    if (code === undefined) throw error;
    closeWatchers();
    everySeconds = UNWATCHED_SECONDS;
    const hint = WATCH_HINTS[code] ?? ERRNO_HINTS[code];
    const minutes = UNWATCHED_SECONDS / 60;
    const message = `cannot watch ${cache.root} (${code}): new directories are found every ${minutes} minutes instead`;
    onChange({ type: "trouble", code, message, hint });
  };
  const closeWatchers = () => {
    for (const watcher of watchers.values()) watcher.close();
    watchers.clear();
  };

  let comparedAt = -Infinity;
  let everySeconds = UNWATCHED_SECONDS;
  const compare = async () => {
    comparedAt = context.now();
    // What was watched may be another disk by now.
    closeWatchers();
    if (cache.autoRegister) await watchRoot();
    else everySeconds = WATCHED_SECONDS;
    const found = await withManagedStore(cache, context, (store) => reconcile(cache, store, context));
    onChange({ type: "reconciled", found });
    if (cache.autoRegister) for (const path of found.unsettled) expect(path, settleMs);
  };
  /** Watched before anything is compared, so that nothing appears in between unseen. */
  const watchRoot = async () => {
    const root = await inspectRoot(resolve(cache.root), limits.timeLimitSeconds);
    // Over an empty directory a disk may be mounted any time, which no watch tells of.
    everySeconds = root.state === "healthy" ? WATCHED_SECONDS : UNWATCHED_SECONDS;
    if (root.state !== "healthy" && root.state !== "empty") return;
    try {
      await watchLevel(await realRootOf(cache, context), "", cache.depth);
    } catch (error) {
      unwatch(error);
    }
  };
  const clock = setInterval(() => {
    if ((context.now() - comparedAt) / 1000 >= everySeconds) enqueue(compare);
  }, UNWATCHED_SECONDS * 1000);
  clock.unref();
  enqueue(compare);
  await work;
  return {
    async close() {
      isClosed = true;
      clearInterval(clock);
      await work;
      for (const timer of timers.values()) clearTimeout(timer);
      closeWatchers();
    },
  };
}
