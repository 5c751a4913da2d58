import assert from "node:assert/strict";
import { readFileSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { ask, startService, type ServiceServer } from "../../mcp-server/service-server.ts";
import { fill } from "../../shared/managed/managed-place.ts";
import { startRedis } from "../../shared/probe/redis-server.ts";
import { makeMovies } from "../../support/library.ts";
import { makePlace } from "../../support/place.ts";
import type { Row, Task } from "../row.ts";

/** What is asked for without pause, and what may be answered; `503` only while Redis is down. */
const READS = [
  "GET /health",
  "GET /metrics",
  "GET /api/v1/stats",
  "GET /api/v1/check",
  "GET /api/v1/history",
  "GET /api/v1/directories",
] as const;
/** The service lets 600 requests a minute in. */
const PAUSE_MS = 110;
/** Redis is down for some seconds, now and then. */
const REDIS_EVERY_SECONDS = 40;
const REDIS_DOWN_SECONDS = 5;
/** In this time a process may take as much memory as it wants. */
const WARM_SECONDS = 180;
/** V8 collects late where there is much memory: with so little that it has to, what is kept for ever is seen. */
const OLD_SPACE_MB = 128;

export const service: Row = {
  name: "service",
  what: "`cache-ops serve` under load: seconds in which eight clients without token or with a wrong one ask twenty times a second each, and one with it reads, plans and applies as often as it is let in, while Redis is killed and started again now and then",
  required:
    "who has no token is answered 401; everything else is answered, with 503 or a report of what is unreachable only while Redis is down; the process lives, and its memory stays flat (a heap of at most 128 MB; less than 50 MB more in the last third after three minutes than in the one before)",
  count: 600,
  quick: 4,
  async run(task) {
    const library = makePlace("library");
    const managed = makePlace("managed");
    for (let index = 0; index < 20; index += 1) {
      makeMovies(join(library, `d${index}`), ["One.mkv", "Two.mkv"]);
      fill(managed, `m${index}/film.bin`);
    }
    const redis = await startRedis();
    const server = await startService({
      config: {
        libraries: [{ name: "films", roots: [library] }],
        managed: [{ name: "media", root: managed, store: "redis" }],
      },
      env: { CACHE_OPS_REDIS_URL: redis.url, NODE_OPTIONS: `--max-old-space-size=${OLD_SPACE_MB}` },
    });
    const begun = performance.now();
    const seconds = () => (performance.now() - begun) / 1000;
    const last = task.to - task.from;
    const isOver = () => task.isOver() || seconds() >= last;
    const health = { isRedisUp: true, failures: [] as string[] };
    const memory: { readonly at: number; readonly kilobytes: number }[] = [];
    await Promise.all([
      ...Array.from({ length: 8 }, (_, index) => flood(server, index, isOver, task, health)),
      use(server, library, isOver, task, health),
      (async () => {
        while (!isOver()) {
          await delay(1000);
          memory.push({ at: seconds(), kilobytes: residentOf(server) });
          const phase = Math.floor(seconds()) % REDIS_EVERY_SECONDS;
          if (phase === REDIS_EVERY_SECONDS - REDIS_DOWN_SECONDS && health.isRedisUp) {
            health.isRedisUp = false;
            await redis.kill();
            task.count("Redis killed and started again");
          } else if (phase < REDIS_EVERY_SECONDS - REDIS_DOWN_SECONDS && !health.isRedisUp) {
            await redis.start();
            // A connection is made again after a moment.
            await delay(3000);
            health.isRedisUp = true;
          }
        }
      })(),
    ]);
    const lived = server.process.exitCode === null;
    await server.stop();
    const done = Math.min(last, Math.round(seconds()));
    for (const failure of health.failures) task.failed("service", failure);
    if (!lived) task.failed("service", "the process ended");
    const growth = growthOf(memory);
    if (growth !== undefined) task.count("kilobytes grown between the second and the last third", Math.max(0, growth));
    if (growth !== undefined && growth > 50_000) task.failed("service", `its memory grew by ${growth} kB`);
    task.passed(done - Math.min(done, health.failures.length));
  },
};

interface Health {
  isRedisUp: boolean;
  readonly failures: string[];
}

/** Asks without the right to. */
async function flood(server: ServiceServer, index: number, isOver: () => boolean, task: Task, health: Health) {
  const stranger = { ...server, token: "wrong" };
  while (!isOver()) {
    const headers = index % 2 === 0 ? { authorization: null } : {};
    const { status } = await ask(stranger, "GET /api/v1/check", { headers });
    task.count(`answered ${status} without the token`);
    await delay(50);
    if (status !== 401 && status !== 429) health.failures.push(`a stranger was answered ${status}`);
  }
}

/** Asks, plans and applies as often as it is let in. */
async function use(server: ServiceServer, library: string, isOver: () => boolean, task: Task, health: Health) {
  for (let round = 0; !isOver(); round += 1) {
    const wasUp = health.isRedisUp;
    const line = READS[round % READS.length] ?? READS[0];
    const { status, text } = await ask(server, line);
    task.count(`answered ${status}`);
    if (wasUp && health.isRedisUp && status >= 500) health.failures.push(`${line}: ${status} ${text.slice(0, 300)}`);
    if (![200, 429, 503].includes(status)) health.failures.push(`${line}: ${status} ${text.slice(0, 300)}`);
    if (round % 30 === 29) await changeOnce(server, library, round, task, health);
    await delay(PAUSE_MS);
  }
}

async function changeOnce(server: ServiceServer, library: string, round: number, task: Task, health: Health) {
  const films = join(library, `r${round}`);
  const [gone] = makeMovies(films, ["Gone.mkv", "Here.mkv"]);
  unlinkSync(gone ?? "");
  const planned = await ask(server, "POST /api/v1/cleanup", { body: { paths: [films] } });
  const { plan, acknowledge } = planned.json;
  if (planned.status !== 200) return;
  const applied = await ask(server, "POST /api/v1/apply", { body: { plan, acknowledge } });
  task.count("runs", applied.json["status"] === "complete" ? 1 : 0);
  try {
    assert.ok(applied.status === 429 || applied.json["status"] === "complete", applied.text.slice(0, 300));
  } catch (error) {
    health.failures.push(String(error));
  }
}

function residentOf(server: ServiceServer): number {
  const status = readFileSync(`/proc/${server.process.pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
}

/** By how many kilobytes the median of the last third is above that of the second one. */
function growthOf(memory: readonly { readonly at: number; readonly kilobytes: number }[]): number | undefined {
  const warm = memory.filter(({ at }) => at > WARM_SECONDS).map(({ kilobytes }) => kilobytes);
  if (warm.length < 30) return undefined;
  const third = Math.floor(warm.length / 3);
  const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  return median(warm.slice(2 * third)) - median(warm.slice(third, 2 * third));
}
