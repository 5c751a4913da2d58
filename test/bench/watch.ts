import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { env, execPath, platform } from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

import type { Tree } from "./library-tree.ts";
import { median } from "./rounds.ts";
import type { Program } from "./scene.ts";
import { table } from "./show.ts";

const GOAL_MS = 50;

/** What a service that watches a library took. */
interface WatchFigures {
  /** Milliseconds from each change to the event that tells of it. */
  readonly changesMs: readonly number[];
  /** From the start of the process until everything was looked at once. */
  readonly readySeconds: number;
  readonly peakMegabytes: number | undefined;
}

/** From a film that leaves its directory, and comes back, to the event of a service that watches the whole tree. */
export async function benchWatch(
  place: string,
  tree: Tree,
  program: Program | undefined,
  changes: number,
): Promise<WatchFigures> {
  if (program === undefined) throw new Error("there is no program to measure");
  tree.reset("clean");
  const own = mkdtempSync(join(place, "watch-"));
  const config = join(own, "config.json");
  const libraries = [{ name: "bench", roots: [tree.library] }];
  writeFileSync(config, JSON.stringify({ libraries, service: { watch: true } }));
  const begun = performance.now();
  const child = spawn(execPath, [program.path, "serve", "--port", "0"], {
    env: { ...env, CACHE_OPS_STATE_DIR: join(own, "state"), CACHE_OPS_CONFIG: config },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(child, "exit");
  try {
    const next = await listen(await servedAt(child.stderr));
    await next("status");
    const readySeconds = (performance.now() - begun) / 1000;
    const changesMs: number[] = [];
    const seasons = seasonsOf(tree.library, changes);
    for (const season of seasons) {
      const media = readdirSync(season).find((name) => name.endsWith(".mkv")) ?? "";
      for (const [from, to] of [
        [media, ".away"],
        [".away", media],
      ] as const) {
        await delay(100);
        const at = performance.now();
        renameSync(join(season, from), join(season, to));
        await next("directory");
        if (from === media) changesMs.push(performance.now() - at);
      }
    }
    const peakMegabytes = platform === "linux" ? peakOf(child.pid) : undefined;
    const figures = { changesMs, readySeconds, peakMegabytes };
    console.log(shown(figures));
    return figures;
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
}

/** So many directories of media, spread over the library. */
function seasonsOf(library: string, wanted: number): string[] {
  const found = readdirSync(library, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.name.endsWith(".mkv"))
    .map(({ parentPath }) => parentPath);
  const seasons = [...new Set(found)];
  return Array.from({ length: wanted }, (_, at) => seasons[Math.floor((at * seasons.length) / wanted)] ?? library);
}

async function servedAt(log: NodeJS.ReadableStream): Promise<{ readonly url: string; readonly token: string }> {
  for await (const line of createInterface(log)) {
    const { message, url, tokenFile } = JSON.parse(line) as Record<string, string>;
    if (message !== "serving" || url === undefined || tokenFile === undefined) continue;
    log.resume();
    return { url, token: readFileSync(tokenFile, "utf8").trim() };
  }
  throw new Error("the service ended");
}

/** Listens to the events; resolves with what waits for the next one of a name. The first `status` says nothing yet. */
async function listen({ url, token }: { readonly url: string; readonly token: string }) {
  const asking = request(`${url}/events`, { headers: { authorization: `Bearer ${token}` } });
  asking.end();
  const [answer] = (await once(asking, "response")) as [NodeJS.ReadableStream];
  let waiting: { readonly name: string; readonly tell: () => void } | undefined;
  let name = "";
  createInterface(answer).on("line", (line) => {
    if (line.startsWith("event: ")) name = line.slice(7);
    const isReady = line.startsWith("data: ") && !line.includes('"lookedAt":null');
    if (isReady && name === waiting?.name) waiting.tell();
  });
  return (name: string) => new Promise<void>((tell) => (waiting = { name, tell }));
}

function peakOf(process: number | undefined): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${process}/status`, "utf8"))?.[1]) / 1024;
}

function shown({ changesMs, readySeconds, peakMegabytes = Number.NaN }: WatchFigures): string {
  const middle = median(changesMs);
  const cells = [middle, Math.max(...changesMs)].map((value) => `${value.toFixed(1)} ms`);
  const row = [
    `${changesMs.length} changes`,
    ...cells,
    `${readySeconds.toFixed(1)} s`,
    `${peakMegabytes.toFixed(0)} MB`,
  ];
  const head = ["", "median", "max", "until ready", "peak"];
  const isReached = middle <= GOAL_MS ? "reached" : "missed";
  return `\n### watching service, one directory changed\n\n${table(head, [row])}\n\nWanted: ${GOAL_MS} ms; ${isReached}.`;
}
