import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

import { withManagedStore } from "../../shared/caches/managed/open.ts";
import { invoke } from "../../shared/index.ts";
import { reconcile } from "../../shared/operations/reconcile.ts";
import { fill, managedSettings, setAge } from "../shared/managed/managed-place.ts";
import { startRedis } from "../shared/probe/redis-server.ts";
import { makeDirectory, makePlace } from "../support/place.ts";
import { programOf } from "../support/program.ts";
import { treeState } from "../support/tree.ts";
import { makeWorkerContext } from "./worker-context.ts";

const WORKER = programOf("faults/evict-worker");
const DIRECTORIES = 90;
/** Three of our own hosts, each with a state directory of its own. */
const HOSTS = 3;

describe("hosts that evict from one cache at the same time", function () {
  this.timeout(600_000);
  const children = new Set<ChildProcess>();
  after(() => {
    for (const child of children) child.kill("SIGKILL");
  });

  it("move every directory once, whole, whoever is killed or stopped, and the register agrees with the disk", async () => {
    const server = await startRedis();
    const place = makePlace("hosts");
    const root = makeDirectory(place, "managed");
    const outside = makeDirectory(place, "outside");
    fill(outside, "precious/film.bin", 10);
    const names = Array.from({ length: DIRECTORIES }, (_, index) => `d${String(index).padStart(3, "0")}`);
    for (const name of names) {
      fill(root, `${name}/film.bin`, 900);
      fill(root, `${name}/deep/other.bin`, 100);
      setAge(join(root, name), 86_400);
    }
    const before = treeState(outside);
    const configFile = join(place, "config.json");
    const cache = managedSettings(root, { store: "redis", ttl: "7d" });
    writeFileSync(configFile, JSON.stringify({ managed: [cache] }));
    const context = makeWorkerContext(makePlace("state"), configFile, server.url);
    await invoke(reconcile, {}, context);
    const kept = names.slice(-10);
    await withManagedStore(cache, context, async (store) => {
      for (const name of kept) assert.ok(await store.setPinned(name, true));
    });

    const moved: string[] = [];
    const states = Array.from({ length: HOSTS }, () => makePlace("state"));
    const start = (host: number) => {
      const args = [WORKER, states[host] ?? "", configFile, server.url];
      const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
      children.add(child);
      createInterface({ input: child.stdout }).on("line", (line) => {
        const { entry, outcome } = JSON.parse(line) as { entry: string; outcome: string };
        if (outcome === "done") moved.push(entry);
      });
      return child;
    };
    const hosts = states.map((_, host) => start(host));
    const ended = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null;
    // One stands still for longer than its lease and its locks live, while others are killed and come back.
    await delay(1500);
    hosts[0]?.kill("SIGSTOP");
    for (let round = 0; round < 6; round += 1) {
      await delay(600);
      const host = 1 + (round % 2);
      const child = hosts[host];
      if (child === undefined || ended(child)) continue;
      child.kill("SIGKILL");
      await once(child, "exit");
      hosts[host] = start(host);
    }
    await delay(16_000);
    hosts[0]?.kill("SIGCONT");
    for (const child of hosts) if (!ended(child)) await once(child, "exit");
    // Who was killed at the very end comes back once more and finishes.
    for (const [host] of states.entries()) {
      const child = start(host);
      await once(child, "exit");
      assert.equal(child.exitCode, 0);
    }

    const quarantine = join(dirname(root), ".cache-ops-quarantine-managed");
    const stored = readdirSync(quarantine).filter((name) => !name.endsWith("-lock"));
    const there = [...readdirSync(root), ...stored.map((name) => name.replace(/^[0-9a-f]+-/, ""))];
    assert.deepEqual(there.toSorted(), names, "every directory is at exactly one place");
    assert.deepEqual(readdirSync(root).toSorted(), kept, "what is pinned stays");
    for (const name of stored) assert.equal(treeState(join(quarantine, name)).length, 4, `${name} is whole`);
    assert.equal(new Set(moved).size, moved.length, "no directory was moved twice");
    const settled = await invoke(reconcile, {}, context);
    assert.deepEqual(settled.after, { directories: kept.length, bytes: kept.length * 1000 });
    assert.deepEqual(treeState(outside), before);
    await server.kill();
  });
});
