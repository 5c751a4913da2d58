import type { EngineCacheRow, JellyfinRow } from "../../shared/index.ts";

/** The time that the rows below were seen at. */
export const NOW = Date.parse("2026-11-21T12:00:00Z");

/** The cache of an idle container: 10 MB that nobody ever emptied. */
export function containerRow(parts: Partial<EngineCacheRow> = {}): EngineCacheRow {
  return {
    engine: "ace",
    container: "engine-1",
    containerId: "0123456789abcdef0123456789abcdef",
    path: "/cache",
    state: "measured",
    bytes: 10_485_760,
    entries: 3,
    use: "idle",
    because: "idle for 2m",
    streams: 0,
    lastCacheCleanup: null,
    cacheSizeBytes: null,
    cleanups: 0,
    freedBytes: 0,
    history: [],
    ...parts,
  };
}

/** A server with a populated cache of series and one task, on which nothing goes on. */
export function serverRow(parts: Partial<JellyfinRow> = {}): JellyfinRow {
  return {
    server: "home",
    version: "10.11.5",
    sections: [
      {
        section: "series",
        isPopulated: true,
        isRefreshing: false,
        progress: 1,
        text: "Completed",
        completedAt: null,
        lastCleared: null,
      },
    ],
    tasks: [{ key: "CleanLogFiles", name: "Logs", state: "Idle", progress: null, lastEnded: null, lastStatus: null }],
    counts: { movies: 120, series: 1, episodes: 900 },
    cacheRoom: { path: "/cache", freeBytes: -1, usedBytes: 2048 },
    transcodeRoom: null,
    ...parts,
  };
}
