import type { EngineCacheRow, JellyfinRow } from "@cache-ops/shared";

import { ago } from "../age.ts";

/*
 * How the tree words what lies in containers and on servers. No failure is worded as "empty" or "done": what is absent,
 * what cannot be looked at and what was measured empty are three things.
 */

export type ChannelRow = JellyfinRow["sections"][number];
export type TaskRow = JellyfinRow["tasks"][number];

/** When something was last done: `Never`, `Just now`, `2m ago`, `3h ago`, `2d ago`. */
function lastText(time: string | null, now: number): string {
  if (time === null) return "Never";
  const text = ago(Date.parse(time), now);
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

const UNITS = ["KB", "MB", "GB", "TB"] as const;

/** Bytes in units of 1024 with two decimals, as stream engines count: `10.00 MB`, `512.00 KB`; `N/A`: not known. */
export function sizeText(bytes: number | null): string {
  if (bytes === null) return "N/A";
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(UNITS.length, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(2)} ${UNITS[power - 1]}`;
}

/** What stands beside the name of a container: `busy, 1 stream · Cache Cleanup: 2m ago · Cache Size: 10.00 MB`. */
export function containerText(row: EngineCacheRow, now: number): string {
  const { state, use, streams, bytes, lastCacheCleanup } = row;
  const isEmpty = state === "measured" && bytes === 0 && row.entries === 0;
  return [
    use === "idle" || isWaiting(row) ? "" : `${USES[use]}${streams > 0 ? `, ${countOf(streams, "stream")}` : ""}`,
    state === "absent" ? "no cache directory" : isEmpty ? "empty" : "",
    `Cache Cleanup: ${lastText(lastCacheCleanup, now)}`,
    `Cache Size: ${sizeText(state === "measured" ? bytes : null)}`,
    use === "idle" ? "" : whyOf(row),
  ]
    .filter((part) => part !== "")
    .join(" · ");
}

/** Whether it is in use no more, but not for the whole grace period yet, so that it will be idle by itself. */
export function isWaiting({ use, because }: Pick<EngineCacheRow, "use" | "because">): boolean {
  return use === "busy" && /^busy: idle, but not for long: [^,]*$/.test(because);
}

const USES = { idle: "idle", busy: "busy", unknown: "in use?" } as const;

/** Why it is in use or may be, without the word that says so already. */
function whyOf({ because, use }: EngineCacheRow): string {
  return because.startsWith(`${use}: `) ? because.slice(use.length + 2) : because;
}

/** What is to be known of a container and its cache, in lines. */
export function containerLines(row: EngineCacheRow): string[] {
  const { engine, container, containerId, path, state, bytes, entries, use } = row;
  const { lastCacheCleanup, cacheSizeBytes, cleanups, freedBytes, history } = row;
  const size = `${sizeText(bytes)} (${bytes?.toLocaleString()} bytes), ${countOf(entries ?? 0, "entry", "entries")}`;
  return [
    `${container} (${containerId.slice(0, 12)}), engine cache ${engine}`,
    path ?? "No cache directory was found in it.",
    {
      measured: bytes === 0 && entries === 0 ? "It is there, and empty." : size,
      absent: "There is no such directory.",
      unknown: "What is in it cannot be looked at.",
    }[state],
    {
      idle: `Nobody plays on it: ${whyOf(row)}.`,
      busy: isWaiting(row) ? `Nobody plays on it: ${whyOf(row)}.` : `It is in use and left alone: ${whyOf(row)}.`,
      unknown: `Whether it is in use cannot be told, so it is left alone: ${whyOf(row)}.`,
    }[use],
    lastCacheCleanup === null
      ? "Cache Ops has never emptied it."
      : `Last emptied ${new Date(lastCacheCleanup).toLocaleString()}; there were ${sizeText(cacheSizeBytes)} in it.`,
    cleanups === 0 ? "" : `Emptied ${countOf(cleanups, "time")}, ${sizeText(freedBytes)} freed together.`,
    ...history.map(
      ({ at, bytesBefore, bytesAfter, outcome }) =>
        `${new Date(at).toLocaleString()}: ${sizeText(bytesBefore)} → ${sizeText(bytesAfter)}${outcome === "complete" ? "" : ` (${outcome})`}`,
    ),
  ];
}

/** What stands beside the name of an engine cache: `2 caches · 10.00 MB · 1 busy`. */
export function enginesText(rows: readonly EngineCacheRow[]): string {
  if (rows.length === 0) return "no container";
  const measured = rows.filter(({ state }) => state === "measured");
  const bytes = measured.reduce((sum, row) => sum + (row.bytes ?? 0), 0);
  const inUse = rows.filter((row) => !isWaiting(row));
  const [busy, unknown] = [countUse(inUse, "busy"), countUse(inUse, "unknown")];
  const isAll = measured.length === rows.filter(({ state }) => state !== "absent").length;
  return [
    countOf(rows.length, "cache"),
    measured.length === 0 ? sizeText(null) : `${isAll ? "" : "at least "}${sizeText(bytes)}`,
    busy === 0 ? "" : `${busy} busy`,
    unknown === 0 ? "" : `${unknown} perhaps in use`,
  ]
    .filter((part) => part !== "")
    .join(" · ");
}

/** What is to be known of an engine cache as a whole, in lines. */
export function enginesLines(rows: readonly EngineCacheRow[], now: number): string[] {
  const cleanups = rows.reduce((sum, row) => sum + row.cleanups, 0);
  const freedBytes = rows.reduce((sum, row) => sum + row.freedBytes, 0);
  const last = rows.map(({ lastCacheCleanup }) => lastCacheCleanup).reduce(later, null);
  return [
    enginesText(rows),
    `Cache Cleanup: ${lastText(last, now)}`,
    cleanups === 0 ? "" : `${countOf(cleanups, "cleanup")} so far, ${sizeText(freedBytes)} freed together.`,
    "Only the caches of idle engines are emptied.",
  ];
}

function later(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other;
  return Date.parse(one) > Date.parse(other) ? one : other;
}

function countUse(rows: readonly EngineCacheRow[], wanted: EngineCacheRow["use"]): number {
  return rows.filter(({ use }) => use === wanted).length;
}

/** Caches of the Xtream plugin, as a person calls them. */
export const CHANNELS: Readonly<Record<ChannelRow["section"], string>> = {
  series: "Xtream series",
  vod: "Xtream VOD",
};

/** What stands beside a channel cache: `populated · refreshed 2h ago`, `refreshing, 40 %`. */
export function channelText({ isPopulated, isRefreshing, progress, completedAt }: ChannelRow, now: number): string {
  if (isRefreshing) return `refreshing, ${percentOf(progress)}${isPopulated ? "" : " · not populated yet"}`;
  const refreshed = completedAt === null ? "" : ` · refreshed ${ago(Date.parse(completedAt), now)}`;
  return `${isPopulated ? "populated" : "empty"}${refreshed}`;
}

/** What is to be known of a channel cache, in lines. */
export function channelLines(row: ChannelRow, now: number): string[] {
  const { text, completedAt, lastCleared } = row;
  return [
    channelText(row, now),
    text === "" ? "" : `The plugin says: ${text}`,
    completedAt === null ? "" : `Refreshed ${new Date(completedAt).toLocaleString()}`,
    `Cleared by Cache Ops: ${lastText(lastCleared, now)}`,
  ];
}

/** What stands beside a task of a server: `running, 40 %`, `Completed 2h ago`. */
export function taskText({ state, progress, lastEnded, lastStatus }: TaskRow, now: number): string {
  if (state !== "Idle") return `${state.toLowerCase()}${progress === null ? "" : `, ${percentOf(progress)}`}`;
  return lastEnded === null ? "never ran" : `${lastStatus ?? "ended"} ${ago(Date.parse(lastEnded), now)}`;
}

/** The counts and the room of a server, by a label; `N/A` for what it would not say. */
export function serverFacts({ counts, cacheRoom, transcodeRoom }: JellyfinRow): [label: string, text: string][] {
  const items =
    counts === null
      ? "N/A"
      : [
          countOf(counts.movies, "movie"),
          countOf(counts.series, "series", "series"),
          countOf(counts.episodes, "episode"),
        ].join(", ");
  return [
    ["Items", items],
    ["Cache folder", roomText(cacheRoom)],
    ["Transcode folder", roomText(transcodeRoom)],
  ];
}

/** Jellyfin says -1 of a folder that it cannot measure. */
function roomText(room: JellyfinRow["cacheRoom"]): string {
  if (room === null) return "N/A";
  const size = (bytes: number) => sizeText(bytes < 0 ? null : bytes);
  return `${size(room.usedBytes)} used, ${size(room.freeBytes)} free on its disk · ${room.path}`;
}

/** What stands beside the name of a server: `10.11.5 · refreshing`. */
export function serverText({ version, sections }: JellyfinRow): string {
  const isRefreshing = sections.some((section) => section.isRefreshing);
  const empty = sections.filter(({ isPopulated }) => !isPopulated).length;
  const state = isRefreshing ? "refreshing" : empty > 0 ? `${countOf(empty, "channel cache")} empty` : "";
  return [version, state].filter((part) => part !== "").join(" · ");
}

/** Whether something is going on there that ends by itself. */
export function isMoving({ sections, tasks }: JellyfinRow): boolean {
  return sections.some(({ isRefreshing }) => isRefreshing) || tasks.some(({ state }) => state !== "Idle");
}

function percentOf(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function countOf(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString()} ${number === 1 ? one : many}`;
}
