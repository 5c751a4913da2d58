import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execPath, platform } from "node:process";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { openManagedStore } from "../../shared/caches/managed/open.ts";
import { ManagedCache } from "../../shared/caches/managed/settings.ts";
import { Configuration } from "../../shared/config.ts";
import { parse } from "../../shared/validate.ts";
import { benchManagedStore, type PhaseFigures } from "./managed-phases.ts";
import { evictInRedis } from "./redis-eviction.ts";

/*
 * `node test/bench/managed.ts [--directories N] [--redis | --redis-url URL]`: measures the register of managed
 * directories with a million of them, each store in a process of its own, and prints tables and one line of JSON.
 * `--redis` starts a server for it; a server of yours gets a cache `bench`, which is not taken out again. Figures of one
 * machine, to be compared with figures of the same one.
 */

const { values } = parseArgs({
  options: {
    directories: { type: "string", default: "1000000" },
    redis: { type: "boolean", default: false },
    "redis-url": { type: "string" },
    /** Which one this process is to measure; without it, it starts one for each. */
    store: { type: "string" },
  },
});
const directories = Number(values.directories);
const place = mkdtempSync(join(tmpdir(), "cache-ops-bench-"));
try {
  await (values.store === undefined ? compareStores() : measureStore(values.store));
} finally {
  rmSync(place, { recursive: true });
}

async function measureStore(store: string): Promise<void> {
  const cache = parse(ManagedCache, { name: "bench", root: place, store }, "managed cache");
  const opened = await openManagedStore(cache, {
    now: () => Date.now(),
    signal: new AbortController().signal,
    progress: () => undefined,
    log: () => undefined,
    state: () => {
      throw new Error("not needed");
    },
    stateDirectory: place,
    configuration: parse(Configuration, {}, "configuration"),
    redisUrl: values["redis-url"],
  });
  try {
    console.log(JSON.stringify(await benchManagedStore(opened, directories)));
  } finally {
    await opened.close();
  }
}

async function compareStores(): Promise<void> {
  const embedded = await measureApart("embedded");
  const server = values.redis ? await startServer() : undefined;
  try {
    const url = values["redis-url"] ?? server?.url;
    const redis = url === undefined ? undefined : await measureApart("redis", "--redis-url", url);
    const serverMegabytes = server?.peakMegabytes();
    const redisItselfSeconds = url === undefined ? undefined : await evictInRedis(url, directories);
    console.log(`${directories} directories`);
    show("embedded", embedded);
    if (redis !== undefined) {
      show(serverMegabytes === undefined ? "redis" : `redis, server ${serverMegabytes.toFixed(0)} MB`, redis);
      console.log("\nredis ÷ embedded (seconds)");
      for (const [number, { phase, seconds }] of redis.entries()) {
        console.log(`${phase.padEnd(20)} ${(seconds / (embedded[number]?.seconds ?? Number.NaN)).toFixed(2)}`);
      }
    }
    if (redisItselfSeconds !== undefined) showRedisItself(redisItselfSeconds, embedded);
    console.log(JSON.stringify({ directories, embedded, redis, serverMegabytes, redisItselfSeconds }));
  } finally {
    server?.end();
  }
}

async function measureApart(store: string, ...more: readonly string[]): Promise<readonly PhaseFigures[]> {
  const words = [fileURLToPath(import.meta.url), "--store", store, "--directories", String(directories), ...more];
  const child = spawn(execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  const [printed, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  if (code !== 0) throw new Error(`the measurement of ${store} ended with ${code}`);
  return JSON.parse(printed) as readonly PhaseFigures[];
}

function show(name: string, figures: readonly PhaseFigures[]): void {
  console.log(`\n${name}`);
  console.table(
    figures.map(({ phase, directories, seconds, cpuSeconds, peakMegabytes }) => ({
      phase,
      directories,
      seconds: seconds.toFixed(3),
      "cpu s": cpuSeconds.toFixed(3),
      "µs each": ((seconds * 1e6) / directories).toFixed(2),
      "peak MB": peakMegabytes.toFixed(0),
    })),
  );
}

function showRedisItself(seconds: number, embedded: readonly PhaseFigures[]): void {
  const secondsOf = (phase: string) => embedded.find((each) => each.phase === phase)?.seconds ?? Number.NaN;
  const [choosing, reading] = [secondsOf("choose 5 % lru"), secondsOf("read for a policy")];
  console.log(`\n5 % by Redis itself, ZPOPMIN and HMGET: ${seconds.toFixed(3)} s`);
  console.log(`choose 5 % lru ÷ that: ${(choosing / seconds).toFixed(2)}`);
  console.log(`with reading the register: ${((reading + choosing) / seconds).toFixed(2)}`);
}

/** A Redis of our own that keeps nothing on disk. */
async function startServer() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const port = String((probe.address() as AddressInfo).port);
  probe.close();
  await once(probe, "close");
  const words = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", place];
  const child = spawn("redis-server", words, { stdio: "ignore" });
  for (;;) {
    try {
      execFileSync("redis-cli", ["-p", port, "ping"], { stdio: "pipe" });
      break;
    } catch (error) {
      if (child.exitCode !== null) throw error;
    }
    await delay(50);
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    peakMegabytes: () =>
      platform === "linux"
        ? Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) / 1024
        : undefined,
    end: () => child.kill("SIGKILL"),
  };
}
