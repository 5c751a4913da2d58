import type { EngineCacheRow, JellyfinRow } from "@cache-ops/shared";

import { Counter, Gauge, type Registry } from "prom-client";

import { pause } from "./pause.ts";
import type { Look, Looks, Status } from "./status.ts";

/** Metrics of what lies in containers and on servers, brought up to date by `renew`. */
export interface RemoteMetrics {
  /** Resolves within a limit, whatever does not answer: that is down. */
  readonly renew: () => Promise<void>;
}

/**
 * Metrics of engine caches and Jellyfin servers. Of what is down nothing is claimed but that, and what was counted
 * before. Labels are configured names, sections, tasks, and names of containers and their cache directories.
 */
export function remoteMetrics(
  { engines, servers }: Pick<Status, "engines" | "servers">,
  registers: Registry[],
  limitMs: number,
): RemoteMetrics {
  const ofEngines = engineMetrics(registers);
  const ofServers = serverMetrics(registers);
  return {
    renew: async () => {
      const [caches, hosts] = await Promise.all([within(engines(), limitMs), within(servers(), limitMs)]);
      ofEngines(caches);
      ofServers(hosts);
    },
  };
}

/** What is known within the limit; `undefined` for what is not. */
async function within<Row>(looks: Looks<Row>, limitMs: number): Promise<ReadonlyMap<string, Look<Row> | undefined>> {
  const patience = new AbortController();
  const isOver = pause(limitMs, patience.signal).then(() => undefined);
  const known = await Promise.all(
    [...looks].map(async ([name, look]) => [name, await Promise.race([look, isOver])] as const),
  );
  patience.abort();
  return new Map(known);
}

function engineMetrics(registers: Registry[]) {
  const labelNames = ["engine", "container", "path"];
  const gauge = (name: string, help: string, names = labelNames) =>
    new Gauge({ name: `cacheops_engine_${name}`, help, labelNames: names, registers });
  const counter = (name: string, help: string) =>
    new Counter({ name: `cacheops_engine_${name}_total`, help, labelNames, registers });
  const up = gauge("up", "Whether the containers of an engine cache could be looked at in time.", ["engine"]);
  const bytes = gauge("cache_bytes", "Bytes in a cache directory.");
  const idle = gauge("idle", "Whether an engine is known to be idle.");
  const streams = gauge("streams", "Streams that are known to play on an engine.");
  const lastCleanup = gauge("last_cleanup_timestamp_seconds", "When a cache directory was last emptied.");
  const cleanups = counter("cleanups", "How often a cache directory was emptied.");
  const freed = counter("freed_bytes", "Bytes that this freed.");
  const counted = new Map<string, readonly EngineCacheRow[]>();
  return (looks: ReadonlyMap<string, Look<EngineCacheRow> | undefined>) => {
    for (const metric of [up, bytes, idle, streams, lastCleanup, cleanups, freed]) metric.reset();
    for (const [engine, look] of looks) {
      up.set({ engine }, look !== undefined && look.troubles.length === 0 ? 1 : 0);
      const rows = look?.rows ?? [];
      if (rows.length > 0) counted.set(engine, rows);
      for (const row of rows) {
        const labels = labelsOf(row);
        if (row.bytes !== null) bytes.set(labels, row.bytes);
        idle.set(labels, row.use === "idle" ? 1 : 0);
        if (row.use !== "unknown") streams.set(labels, row.streams);
      }
      for (const row of counted.get(engine) ?? []) {
        const labels = labelsOf(row);
        cleanups.inc(labels, row.cleanups);
        freed.inc(labels, row.freedBytes);
        if (row.lastCacheCleanup !== null) lastCleanup.set(labels, Date.parse(row.lastCacheCleanup) / 1000);
      }
    }
  };
}

function labelsOf({ engine, container, path }: EngineCacheRow) {
  return { engine, container, path: path ?? "" };
}

function serverMetrics(registers: Registry[]) {
  const gauge = (name: string, help: string, ...labels: readonly string[]) =>
    new Gauge({ name: `cacheops_jellyfin_${name}`, help, labelNames: ["server", ...labels], registers });
  const up = gauge("up", "Whether a Jellyfin server could be looked at in time.");
  const populated = gauge("section_populated", "Whether a channel cache holds categories.", "section");
  const refreshing = gauge("section_refreshing", "Whether a channel cache is being filled.", "section");
  const progress = gauge("section_progress", "How far that is, from 0 to 1.", "section");
  const cleared = gauge("section_cleared_timestamp_seconds", "When it was last cleared by Cache Ops.", "section");
  const running = gauge("task_running", "Whether a cleanup task is running.", "task");
  const items = gauge("items", "Items in the database of a server.", "type");
  return (looks: ReadonlyMap<string, Look<JellyfinRow> | undefined>) => {
    for (const metric of [up, populated, refreshing, progress, cleared, running, items]) metric.reset();
    for (const [server, look] of looks) {
      up.set({ server }, look !== undefined && look.troubles.length === 0 ? 1 : 0);
      for (const { sections, tasks, counts } of look?.rows ?? []) {
        for (const { section, isPopulated, isRefreshing, progress: share, lastCleared } of sections) {
          const labels = { server, section };
          populated.set(labels, isPopulated ? 1 : 0);
          refreshing.set(labels, isRefreshing ? 1 : 0);
          progress.set(labels, share);
          if (lastCleared !== null) cleared.set(labels, Date.parse(lastCleared) / 1000);
        }
        for (const { key, state } of tasks) running.set({ server, task: key }, state === "Idle" ? 0 : 1);
        for (const [type, number] of Object.entries(counts ?? {})) items.set({ server, type }, number);
      }
    }
  };
}
