import { unlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { ask, startService, type ServiceServer } from "../../mcp-server/service-server.ts";
import { engineSettings, fill as fillEngine, startEngine } from "../../shared/engine/empty-place.ts";
import { fill } from "../../shared/managed/managed-place.ts";
import { startRedis } from "../../shared/probe/redis-server.ts";
import { startDocker, type DockerProgram } from "../../support/docker.ts";
import { makeMovies } from "../../support/library.ts";
import { makePlace } from "../../support/place.ts";
import { loadOn } from "../load.ts";
import { growthOf, MOST_GROWN, residentOf, type Sample } from "../memory.ts";
import type { Row, Task } from "../row.ts";

/** What the service depends on. */
const PARTS = ["Redis", "Docker", "the container"] as const;
type Part = (typeof PARTS)[number];

/** What is asked for without pause, and on whose being there the answer depends. */
const READS: readonly (readonly [line: string, ...parts: Part[]])[] = [
  ["GET /health"],
  ["GET /metrics"],
  ["GET /api/v1/stats", "Redis"],
  ["GET /api/v1/check", "Redis"],
  ["GET /api/v1/history"],
  ["GET /api/v1/directories", "Redis"],
];
const ENGINE_READS: typeof READS = [
  ["GET /engines", "Docker", "the container"],
  ["GET /api/v1/engines", "Docker", "the container"],
];
/** The service lets 600 requests a minute in. */
const PAUSE_MS = 110;
/** A run shorter than this goes without Docker, which takes seconds to start. */
const SECONDS_WITH_DOCKER = 60;
/** V8 collects late where there is much memory: with so little that it has to, what is kept for ever is seen. */
const OLD_SPACE_MB = 128;

/** What is going on while the service is used. */
interface Scene {
  readonly task: Task;
  readonly server: ServiceServer;
  readonly library: string;
  readonly docker: DockerProgram | undefined;
  /** Parts that are not there, or were not a moment ago. */
  readonly down: Set<Part>;
  readonly failures: string[];
  readonly isOver: () => boolean;
}

export const service: Row = {
  name: "service",
  what: `\`cache-ops serve\` under load: seconds in which wrk asks over eight connections, without token or with a wrong one, as often as it is answered, and one client with the token reads, plans and applies as often as it is let in, while Redis is killed and started again now and then; in runs of a minute and more also Docker, with an engine's cache in a container that is emptied now and then, and that container`,
  required:
    "who has no token is answered 401; everything else is answered, with 503 or a report of what is unreachable only while a part that it needs is down; the process lives, and its memory stays flat (a heap of at most 128 MB; less than 50 MB more in the last third after three minutes than in the one before)",
  count: 600,
  quick: 4,
  async run(task) {
    const last = task.to - task.from;
    const library = makePlace("library");
    const managed = makePlace("managed");
    for (let index = 0; index < 20; index += 1) {
      makeMovies(join(library, `d${index}`), ["One.mkv", "Two.mkv"]);
      fill(managed, `m${index}/film.bin`);
    }
    const redis = await startRedis();
    const docker = last >= SECONDS_WITH_DOCKER ? await startDocker() : undefined;
    if (docker !== undefined) startEngine(docker, ENGINE);
    const server = await startService({
      config: {
        libraries: [{ name: "films", roots: [library] }],
        managed: [{ name: "media", root: managed, store: "redis" }],
        engines: docker === undefined ? [] : [engineSettings(docker)],
      },
      env: { CACHE_OPS_REDIS_URL: redis.url, NODE_OPTIONS: `--max-old-space-size=${OLD_SPACE_MB}` },
      keeps: (line) => !line.includes('"status":401'),
    });
    const begun = performance.now();
    const seconds = () => (performance.now() - begun) / 1000;
    const isOver = () => task.isOver() || seconds() >= last;
    const scene: Scene = { task, server, library, docker, down: new Set(), failures: [], isOver };
    const memory: Sample[] = [];
    const load = loadOn(server.origin, last);
    await Promise.all([
      use(scene),
      takeAway(scene, {
        part: "Redis",
        after: 35,
        off: 5,
        end: () => redis.kill(),
        begin: () => redis.start(),
        settle: 3,
      }),
      ...(docker === undefined ? [] : outagesOf(docker).map((outage) => takeAway(scene, outage))),
      (async () => {
        while (!isOver()) {
          await delay(1000);
          memory.push({ seconds: seconds(), kilobytes: residentOf(server.process.pid) });
        }
      })(),
    ]);
    load.stop();
    const { refused, others, broken, late } = await load.done;
    const lived = server.process.exitCode === null;
    await server.stop();
    await docker?.stop();
    task.count("answered 401 without the token", refused);
    if (others + broken + late > 0) {
      scene.failures.push(`strangers: ${others} other answers, ${broken} connections broken, ${late} not answered`);
    }
    for (const { error } of server.log.filter(({ message }) => message === "bug")) scene.failures.push(String(error));
    for (const failure of scene.failures) task.failed("service", failure);
    if (!lived) task.failed("service", "the process ended");
    const growth = growthOf(memory);
    if (growth !== undefined) task.count("kilobytes grown between the second and the last third", Math.max(0, growth));
    if ((growth ?? 0) > MOST_GROWN) task.failed("service", `its memory grew by ${growth} kB`);
    const done = Math.min(last, Math.round(seconds()));
    task.passed(done - Math.min(done, scene.failures.length));
  },
};

/** The container with the cache. */
const ENGINE = "engine";

/** A part that is taken away for some seconds, now and then. */
interface Outage {
  readonly part: Part;
  readonly after: number;
  readonly off: number;
  readonly end: () => unknown;
  readonly begin: () => unknown;
  /** What was seen while it was down is held for some seconds, and connections are made again after a moment. */
  readonly settle: number;
}

function outagesOf(docker: DockerProgram): readonly Outage[] {
  const restart = () => docker.docker("restart", "-t", "0", ENGINE);
  const begin = async () => {
    await docker.startAgain();
    docker.docker("start", ENGINE);
  };
  return [
    { part: "Docker", after: 45, off: 4, end: () => docker.kill(), begin, settle: 8 },
    { part: "the container", after: 25, off: 0, end: restart, begin: () => undefined, settle: 8 },
  ];
}

async function takeAway({ task, down, isOver }: Scene, { part, after, off, end, begin, settle }: Outage) {
  while (!isOver()) {
    for (let waited = 0; waited < after && !isOver(); waited += 1) await delay(1000);
    // Without Docker there is no container.
    if (isOver() || (part === "the container" && down.has("Docker"))) continue;
    down.add(part);
    await end();
    await delay(off * 1000);
    await begin();
    task.count(`${part} ended and started again`);
    await delay(settle * 1000);
    down.delete(part);
  }
}

/** Asks, plans and applies as often as it is let in. */
async function use(scene: Scene) {
  const { server, docker, task, failures, isOver } = scene;
  const reads = docker === undefined ? READS : [...READS, ...ENGINE_READS];
  for (let round = 0; !isOver(); round += 1) {
    const [line, ...needs] = reads[round % reads.length] ?? ["GET /health"];
    await whole(scene, needs, async () => {
      const { status, text, headers } = await ask(server, line);
      task.count(`answered ${status}`);
      if (![200, 429, 503].includes(status)) failures.push(`${line}: ${status} ${text.slice(0, 300)}`);
      const isMissing = headers["cache-ops-missing"] !== undefined || /"errors":\[[^\]]/.test(text);
      if (status === 200 && isMissing) task.count("told what is unreachable");
      return status === 503 || isMissing ? `${line}: ${status} ${text.slice(0, 300)}` : undefined;
    });
    if (round % 30 === 29) await whole(scene, [], () => cleanOnce(scene, round));
    if (docker !== undefined && round % 30 === 14)
      await whole(scene, ["Docker", "the container"], () => emptyOnce(scene, docker));
    await delay(PAUSE_MS);
  }
}

/** Does something that says what went wrong: that is a failure, unless a part that it needs was down meanwhile. */
async function whole({ down, failures }: Scene, needs: readonly Part[], work: () => Promise<string | undefined>) {
  const isDown = () => needs.some((part) => down.has(part));
  const wasDown = isDown();
  const trouble = await work();
  if (trouble !== undefined && !wasDown && !isDown()) failures.push(trouble);
}

async function cleanOnce({ server, library, task }: Scene, round: number) {
  const films = join(library, `r${round}`);
  const [gone] = makeMovies(films, ["Gone.mkv", "Here.mkv"]);
  unlinkSync(gone ?? "");
  return planAndApply(server, task, "POST /api/v1/cleanup", { paths: [films] });
}

async function emptyOnce({ server, task, down }: Scene, docker: DockerProgram) {
  if (down.size > 0) return undefined;
  fillEngine(docker, ENGINE);
  return planAndApply(server, task, "POST /api/v1/empty", {});
}

/** Plans, and applies what was planned; says what was not as it should be. */
async function planAndApply(
  server: ServiceServer,
  task: Task,
  line: string,
  body: object,
): Promise<string | undefined> {
  const planned = await ask(server, line, { body });
  if (planned.status === 429) return undefined;
  const { status, plan, acknowledge } = planned.json;
  if (planned.status !== 200 || status !== "ready") return `${line}: ${planned.status} ${planned.text.slice(0, 300)}`;
  const applied = await ask(server, "POST /api/v1/apply", { body: { plan, acknowledge } });
  if (applied.status === 429) return undefined;
  if (applied.json["status"] !== "complete") return `apply: ${applied.text.slice(0, 300)}`;
  task.count(`runs of ${line.slice("POST /api/v1/".length)}`);
  return undefined;
}
