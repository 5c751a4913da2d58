import { runsEndedSince, type Context } from "@cache-ops/shared";

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

import { HEADERS } from "./http-answer.ts";
import { libraryMetrics } from "./library-metrics.ts";
import type { LibraryNews } from "./library-watch.ts";
import { remoteMetrics } from "./remote-metrics.ts";
import type { Status } from "./status.ts";
import type { Watch } from "./watch.ts";
import type { Webhooks } from "./webhooks.ts";
import type { Done } from "./work.ts";

/** What the service counts, for Prometheus. */
export interface Metrics {
  readonly observe: (done: Done) => void;
  readonly answer: () => Promise<Response>;
}

/** Where the figures come from. */
interface Sources {
  readonly usage: Pick<Watch, "figures" | "daysUntilFull">;
  readonly status: Pick<Status, "engines" | "servers">;
  /** Libraries that are watched; by default none are. */
  readonly libraries?: Pick<LibraryNews, "state">;
  readonly webhooks: Pick<Webhooks, "counts">;
  readonly version: string;
  /** How long an answer waits for containers and servers that do not answer. */
  readonly limitMs?: number;
}

/** Prometheus itself waits for ten seconds. */
const LIMIT_MS = 4000;

/** From milliseconds to hours. */
const SECONDS = [0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200];

/**
 * The metrics of one service. What it holds of caches, containers and servers is some seconds old at most; runs are
 * counted from the start of the service on, those of other processes on this host too. Labels are names of operations,
 * outcomes, configured caches and what lies in them: their number is bounded.
 */
export function makeMetrics(
  context: Context,
  { usage, status, libraries = { state: () => undefined }, webhooks, version, limitMs = LIMIT_MS }: Sources,
): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  new Gauge({ name: "cacheops_info", help: "Version of Cache Ops.", labelNames: ["version"], registers }).set(
    { version },
    1,
  );
  const operations = new Counter({
    name: "cacheops_operations_total",
    help: "Operations that this service carried out.",
    labelNames: ["operation", "face", "outcome"],
    registers,
  });
  const durations = new Histogram({
    name: "cacheops_operation_duration_seconds",
    help: "How long operations took.",
    labelNames: ["operation"],
    buckets: SECONDS,
    registers,
  });
  const runs = new Counter({
    name: "cacheops_runs_total",
    help: "Runs on this host that ended since the service started.",
    labelNames: ["operation", "status"],
    registers,
  });
  const runDurations = new Histogram({
    name: "cacheops_run_duration_seconds",
    help: "How long runs took.",
    labelNames: ["operation"],
    buckets: SECONDS,
    registers,
  });
  const deliveries = new Counter({
    name: "cacheops_webhook_deliveries_total",
    help: "Messages to webhooks that were delivered, and given up.",
    labelNames: ["result"],
    registers,
  });
  const managed = managedGauges(registers);
  const watched = libraryMetrics(libraries, registers);
  const remote = remoteMetrics(status, registers, limitMs);

  let since = context.now();
  let counted = new Set<string>();
  const countRuns = () => {
    for (const { run, operation, status, seconds, endedAt } of runsEndedSince(context.state(), since)) {
      if (counted.has(run)) continue;
      runs.inc({ operation, status });
      runDurations.observe({ operation }, seconds);
      // Of runs that ended in the same millisecond some may still be to come.
      if (endedAt > since) [since, counted] = [endedAt, new Set()];
      counted.add(run);
    }
  };

  return {
    observe: ({ operation, face, outcome, seconds }) => {
      operations.inc({ operation: operation.name, face, outcome });
      durations.observe({ operation: operation.name }, seconds);
    },
    answer: async () => {
      countRuns();
      const [figures] = await Promise.all([usage.figures(), remote.renew()]);
      managed.set(figures, usage.daysUntilFull);
      watched.set();
      deliveries.reset();
      deliveries.inc({ result: "delivered" }, webhooks.counts.delivered);
      deliveries.inc({ result: "failed" }, webhooks.counts.failed);
      return new Response(await registry.metrics(), { headers: { ...HEADERS, "content-type": registry.contentType } });
    },
  };
}

type Figures = Awaited<ReturnType<Watch["figures"]>>;

/** Figures that registers keep: they are shown as they are. */
function managedGauges(registers: Registry[]) {
  const labelNames = ["cache"];
  const gauge = (name: string, help: string) =>
    new Gauge({ name: `cacheops_managed_${name}`, help, labelNames, registers });
  const counter = (name: string, help: string) =>
    new Counter({ name: `cacheops_managed_${name}_total`, help, labelNames, registers });
  const up = gauge("up", "Whether the register of a managed cache can be reached.");
  const quota = gauge("quota_bytes", "Quota of a managed cache.");
  const full = gauge("full_in_days", "When a managed cache will be full if it goes on growing as it did.");
  const gauges = {
    bytes: gauge("usage_bytes", "Bytes that the directories of a managed cache hold."),
    directories: gauge("directories", "Directories of a managed cache."),
    pinned: gauge("pinned_directories", "Directories that are pinned."),
  };
  const counters = {
    hits: counter("hits", "Uses of directories that were there."),
    misses: counter("misses", "Asks for directories that were not there."),
    evictions: counter("evictions", "Directories that were evicted."),
    reclaimedBytes: counter("reclaimed_bytes", "Bytes that evictions freed."),
  };
  return {
    set: (figures: Figures, days: ReadonlyMap<string, number | null>) => {
      for (const metric of [up, quota, full, ...Object.values(gauges), ...Object.values(counters)]) metric.reset();
      for (const { cache, totals } of figures) {
        const labels = { cache: cache.name };
        up.set(labels, totals === null ? 0 : 1);
        if (cache.maxBytes !== undefined) quota.set(labels, cache.maxBytes);
        const left = days.get(cache.name);
        if (left !== undefined && left !== null) full.set(labels, left);
        if (totals === null) continue;
        for (const key of ["bytes", "directories", "pinned"] as const) gauges[key].set(labels, totals[key]);
        for (const key of ["hits", "misses", "evictions", "reclaimedBytes"] as const)
          counters[key].inc(labels, totals[key]);
      }
    },
  };
}
