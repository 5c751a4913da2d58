import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

import { acquireLease } from "../../mcp-server/lease.ts";
import { CacheOpsError, invoke, linkRedis, loadRun, memoryOf, openState, type State } from "../../shared/index.ts";
import { contentOf } from "../../shared/file.ts";
import { stepsOf } from "../../shared/journal.ts";
import { schedule } from "../../shared/operations/schedule.ts";
import { cli, cliEnvironment, PROGRAM } from "../support/cli.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, makeMovies } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { programOf } from "../support/program.ts";
import { applyById, failsWith, makeStaleLibrary, planCleanup, undoById } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";
import { startRedis, type RedisServer } from "../shared/probe/redis-server.ts";

/** A Redis that has everything again after it was killed. */
const startDurableRedis = () => startRedis("--appendonly", "yes", "--appendfsync", "always", "--dir", makePlace("aof"));

describe("a run whose right to change anything is lost", () => {
  const names = Array.from({ length: 40 }, (_, index) => `d${String(index).padStart(2, "0")}`);

  for (const [when, allowed, done] of [
    ["before it begins", 0, undefined],
    ["in the middle of a batch", 11, 10],
    ["between two batches", 33, 32],
  ] as const) {
    it(`${when} changes nothing more`, async () => {
      const root = makeStaleLibrary(...names);
      const before = treeState(root);
      let asked = 0;
      const context = makeContext({
        fence: async () => {
          asked += 1;
          if (asked > allowed) throw new CacheOpsError("locked", "the lease was lost");
        },
      });
      const { plan } = await planCleanup(context, [root]);
      if (done === undefined) {
        await assert.rejects(applyById(context, plan), failsWith("locked", /lease was lost/));
        assert.deepEqual(treeState(root), before);
        return;
      }
      const report = await applyById(context, plan);
      const outcomes = Map.groupBy(report.outcomes ?? [], ({ outcome }) => outcome);
      assert.deepEqual([report.status, report.caches], ["partial", done]);
      assert.deepEqual([outcomes.get("done")?.length, outcomes.get("refused")?.length], [done, names.length - done]);
      assert.ok(report.refused.every(({ code }) => code === "locked"));
      const steps = stepsOf(context.state(), report.run);
      assert.deepEqual(steps.filter(({ state }) => state === "done").length, done);
      assert.ok(steps.every(({ state }) => state !== "intended"));
      assert.equal(loadRun(context.state(), report.run).state, "partial");
      await undoById({ ...context, fence: undefined }, report.run);
      assert.deepEqual(treeState(root), before);
    });
  }
});

describe("a lease", () => {
  const take = (redis: RedisServer, holder: string, ms = 600) => {
    const link = linkRedis(redis.url, 2);
    links.push(link);
    let isLost = false;
    const onLost = () => {
      isLost = true;
    };
    return acquireLease(link, "/media/films", holder, ms, onLost).then((lease) => ({ lease, wasTold: () => isLost }));
  };
  const links: { close(): void }[] = [];
  afterEach(() => {
    for (const link of links.splice(0)) link.close();
  });

  it("is one host's at a time, is kept while it lives, and is another's once it was given back", async () => {
    const redis = await startRedis();
    const { lease } = await take(redis, "one");
    assert.equal((await take(redis, "two")).lease, undefined);
    await delay(1500);
    await lease?.assertHeld();
    assert.equal((await take(redis, "two")).lease, undefined);
    await lease?.release();
    const { lease: second } = await take(redis, "two");
    await second?.assertHeld();
    await second?.release();
    assert.equal(redis.ask("dbsize").trim(), "0");
  });

  it("that another has by now is lost for good, and giving it back leaves the other's alone", async () => {
    const redis = await startRedis();
    const { lease, wasTold } = await take(redis, "one");
    redis.ask("set", "cacheops:lease:/media/films", "another");
    await assert.rejects(Promise.resolve(lease?.assertHeld()), failsWith("locked", /was lost/));
    assert.deepEqual([wasTold(), lease?.isLost()], [true, true]);
    redis.ask("del", "cacheops:lease:/media/films");
    await assert.rejects(Promise.resolve(lease?.assertHeld()), failsWith("locked"));
    redis.ask("set", "cacheops:lease:/media/films", "another");
    await lease?.release();
    assert.equal(redis.ask("get", "cacheops:lease:/media/films").trim(), "another");
  });

  it("outlives a restart of a Redis that forgets nothing, and not that of one that does", async () => {
    for (const [redis, survives] of [
      [await startDurableRedis(), true],
      [await startRedis(), false],
    ] as const) {
      const { lease } = await take(redis, "one", 20_000);
      await redis.kill();
      const asked = Promise.resolve(lease?.assertHeld());
      asked.catch(() => undefined);
      await redis.start();
      if (survives) await asked;
      else await assert.rejects(asked, failsWith("locked"));
      await lease?.release();
    }
  });

  it("whose Redis stays away is lost when its time is over", async () => {
    const redis = await startRedis();
    const { lease } = await take(redis, "one", 900);
    await redis.kill();
    await assert.rejects(Promise.resolve(lease?.assertHeld()), failsWith("locked", /Redis/));
    await lease?.release();
  });
});

/** A host in a process of its own, with a state of its own. */
interface Host {
  readonly child: ChildProcess;
  readonly stateDirectory: string;
  readonly lines: string[];
  /** Resolves with the first line from number `from` on that matches; fails when the host ends before. */
  until(pattern: RegExp, from?: number): Promise<string>;
}

/** A library of directories of two levels that hold two films each; a third one was deleted. */
function makeDeepLibrary(directories: readonly string[]): string {
  const root = makePlace("library");
  for (const directory of directories) {
    makeMovies(join(root, directory), ["one.mkv", "gone.mkv", "two.mkv"]);
    rmSync(join(root, directory, "gone.mkv"));
  }
  return root;
}

function configurationFor(root: string, schedules: readonly object[]): string {
  const libraries = [{ name: "media", roots: [root] }];
  return JSON.stringify({ libraries, cluster: { enabled: true, lease: "2s" }, schedules });
}

/** Puts a configuration in place at once: hosts read it all the time. */
function configureIn(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

/** A schedule that comes once, to the second. */
function sharedAt(due: Date): object {
  const cron = `${due.getUTCSeconds()} ${due.getUTCMinutes()} ${due.getUTCHours()} * * *`;
  return { name: "shared", cron, timezone: "UTC", operation: "cleanup", apply: true, input: { minAge: "1s" } };
}

/** Gives hosts a schedule that is due in a moment; another one, should they have been too slow for it. */
async function begin(redis: RedisServer, configure: (schedule: object) => void): Promise<object> {
  for (;;) {
    const due = Date.now() + 2500;
    const shared = sharedAt(new Date(due));
    configure(shared);
    while (Date.now() < due + 5000) {
      if (redis.ask("exists", "cacheops:work:completed").trim() === "1") return shared;
      await delay(20);
    }
  }
}

/** How many pieces of work were done. */
const completed = (redis: RedisServer) => Number(redis.ask("zcard", "cacheops:work:completed").trim());

const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill("SIGKILL");
});

async function startHost(configuration: string, redis: RedisServer): Promise<Host> {
  const stateDirectory = makePlace("state");
  const script = programOf("mcp-server/cluster-worker");
  const child = spawn(process.execPath, [script, stateDirectory, configuration, redis.url], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: string[] = [];
  const host: Host = {
    child,
    stateDirectory,
    lines,
    async until(pattern, from = 0) {
      for (;;) {
        const line = lines.slice(from).find((text) => pattern.test(text));
        if (line !== undefined) return line;
        if (child.exitCode !== null) throw new Error(`the host ended: ${lines.join("\n")}`);
        await delay(10);
      }
    },
  };
  children.push(child);
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  await host.until(/^ready/);
  return host;
}

/** Processor time of a process so far, in hundredths of a second. */
function cpuTicksOf({ pid }: ChildProcess): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

/** Steps of every run of a host, as its journal has them. */
function stepsIn(state: State) {
  return state
    .all("SELECT id FROM runs ORDER BY started_at")
    .flatMap(({ id }) => stepsOf(state, String(id)))
    .map(({ file, state: at, after: to, code }) => ({ file, at, sha256: to?.sha256, code }));
}

describe("hosts that share the work on a library", () => {
  it("hand on what they are at when they are stopped, pause together, and end also while Redis is away", async () => {
    const root = makeDeepLibrary(["a/1", "a/2", "a/3"]);
    const redis = await startRedis();
    const file = join(makePlace("configuration"), "config.json");
    const configure = (...schedules: readonly object[]) => configureIn(file, configurationFor(root, schedules));
    configure();
    const all = await Promise.all([1, 2].map(() => startHost(file, redis)));
    await begin(redis, configure);
    const first = await Promise.any(all.map(async (host) => (await host.until(/^passed 2/), host)));
    first.child.kill("SIGTERM");
    await first.until(/^stopped/);
    const [second] = all.filter((host) => host !== first);
    assert.ok(second);
    while (completed(redis) < 2) await delay(20);
    const states = all.map(({ stateDirectory }) => openState(stateDirectory));
    const done = states.flatMap(stepsIn).filter(({ at }) => at === "done");
    assert.deepEqual(
      done.map(({ file: path }) => path).toSorted(),
      ["a/1", "a/2", "a/3"].map((name) => join(root, name, CACHE)),
    );

    const other = await startHost(file, redis);
    const paused = sharedAt(new Date(Date.now() + 4000));
    const [state] = states.slice(all.indexOf(second));
    assert.ok(state);
    await invoke(schedule, { action: "stop" }, makeContext({ state: () => state, config: { schedules: [paused] } }));
    configure(paused);
    const otherState = openState(other.stateDirectory);
    while (memoryOf(otherState, "shared")?.isPaused !== true) await delay(50);
    await redis.kill();
    const asked = makeContext({ state: () => otherState, config: { schedules: [paused] } });
    const trouble = async () => (await invoke(schedule, {}, asked)).cluster?.trouble ?? null;
    while ((await trouble()) === null) await delay(50);
    assert.match((await trouble()) ?? "", /^Redis: /);
    for (const { child } of [second, other]) child.kill("SIGTERM");
    await Promise.all([second, other].map((host) => host.until(/^stopped/)));
    for (const open of [...states, otherState]) open.close();
  });

  it("are quiet while Redis is away, and go on when it is back", async () => {
    const root = makeDeepLibrary(["a/1"]);
    const redis = await startRedis();
    const file = join(makePlace("configuration"), "config.json");
    configureIn(file, configurationFor(root, []));
    const host = await startHost(file, redis);
    await begin(redis, (schedule) => configureIn(file, configurationFor(root, [schedule])));
    while (completed(redis) < 2) await delay(20);
    await redis.kill();
    await delay(1000);
    const before = cpuTicksOf(host.child);
    await delay(3000);
    const ticks = cpuTicksOf(host.child) - before;
    assert.ok(ticks < 150, `${ticks} hundredths of a second of processor time in three`);
    await redis.start();
    await begin(redis, (schedule) => configureIn(file, configurationFor(root, [schedule])));
    while (completed(redis) < 2) await delay(20);
    host.child.kill("SIGTERM");
    await host.until(/^stopped/);
  });

  it("are services, of which the command line shows who does what", async () => {
    const root = makeDeepLibrary(["a/1"]);
    const redis = await startRedis();
    const file = join(makePlace("configuration"), "config.json");
    const every = { ...sharedAt(new Date()), cron: "* * * * * *" };
    writeFileSync(file, configurationFor(root, [every]));
    const environment = { ...cliEnvironment(makePlace("state"), file), CACHE_OPS_REDIS_URL: redis.url };
    const child = spawn(process.execPath, [PROGRAM, "serve", "--port", "0"], { env: environment, stdio: "ignore" });
    children.push(child);
    for (;;) {
      const { code, stdout } = cli(["schedule", "status", "--name", "shared"], environment);
      assert.equal(code, 0);
      if (/ [1-9]\d* done, 0 failed/.test(stdout) && /cleanup, applied .* complete/.test(stdout)) {
        assert.match(stdout, new RegExp(`Run by +process ${child.pid} on `));
        assert.match(stdout, new RegExp(`Hosts +[^ ]+/${child.pid}\n`));
        break;
      }
      assert.equal(child.exitCode, null);
    }
    child.kill("SIGTERM");
    assert.deepEqual(await once(child, "exit"), [0, null]);
    assert.match(cli(["schedule"], environment).stdout, /Run by +nobody/);
  });

  it("do every piece of it once, also when one dies and one stands still in the middle, and Redis is restarted", async () => {
    const subtrees = ["a", "b", "c", "d", "e", "f"];
    const directories = subtrees.flatMap((top) => [1, 2, 3].map((number) => `${top}/${number}`));
    const root = makeDeepLibrary(directories);
    const reference = makeDeepLibrary(directories);
    const context = makeContext();
    await applyById(context, (await planCleanup(context, [reference])).plan);
    const expected = directories.map((name) => readFileSync(join(reference, name, CACHE), "utf8"));

    const redis = await startDurableRedis();
    redis.ask("set", "dir:somebody", "1");
    const file = join(makePlace("configuration"), "config.json");
    const configure = (...schedules: readonly object[]) => configureIn(file, configurationFor(root, schedules));
    configure();
    const all = await Promise.all([1, 2, 3].map(() => startHost(file, redis)));
    const shared = await begin(redis, configure);

    const first = await Promise.any(all.map(async (host) => (await host.until(/^passed 3/), host)));
    first.child.kill("SIGKILL");
    await once(first.child, "exit");
    const rest = all.filter((host) => host !== first);
    const from = new Map(rest.map((host) => [host, host.lines.length]));
    const second = await Promise.any(rest.map(async (host) => (await host.until(/^passed 3/, from.get(host)), host)));
    second.child.kill("SIGSTOP");
    await redis.kill();
    await redis.start();
    const stoppedState = openState(second.stateDirectory);
    const linesBefore = second.lines.length;
    const third = rest.find((host) => host !== second);
    assert.ok(third);

    const contents = () => directories.map((name) => readFileSync(join(root, name, CACHE), "utf8"));
    while (completed(redis) < subtrees.length + 1) await delay(50);
    assert.deepEqual(contents(), expected);

    // The one that stood still goes on, finds its lease lost, and changes nothing more.
    const files = () => treeState(root).filter((line) => line.includes(`/${CACHE} `));
    const finished = files();
    second.child.kill("SIGCONT");
    await second.until(/^passed 4/, linesBefore);
    while (stoppedState.all("SELECT id FROM runs WHERE report IS NULL").length > 0) await delay(20);
    assert.deepEqual(files(), finished);
    const refused = stepsIn(stoppedState).filter(({ at }) => at === "refused");
    // What was under way when it was stopped finds that the file is another by now.
    assert.ok(refused.some(({ code }) => code === "locked"));
    assert.ok(
      refused.every(({ code }) => code === "locked" || code === "stale_plan"),
      JSON.stringify(refused),
    );

    // Of every file exactly one host has in its journal that it changed it; the killed one may have changed one unsettled.
    const states = [openState(first.stateDirectory), stoppedState, openState(third.stateDirectory)];
    const done = states.flatMap(stepsIn).filter(({ at }) => at === "done");
    const unsettled = stepsIn(states[0] ?? stoppedState).filter(
      ({ at, file: path, sha256 }) => at === "intended" && contentOf(readFileSync(path)).sha256 === sha256,
    );
    const changed = [...done, ...unsettled.filter(({ file: path }) => !done.some((step) => step.file === path))];
    assert.deepEqual(
      changed.map(({ file: path }) => path).toSorted(),
      directories.map((name) => join(root, name, CACHE)).toSorted(),
    );

    // One host made one job of the time that was due, and the queue shows who did what.
    const keys = redis.ask("keys", "*").trim().split("\n");
    assert.equal(keys.filter((key) => key.startsWith("cacheops:work:divide-")).length, 1);
    assert.deepEqual(
      keys.filter((key) => !key.startsWith("cacheops:")),
      ["dir:somebody"],
    );
    const asked = makeContext({ state: () => states[2] ?? stoppedState, config: { schedules: [shared] } });
    for (;;) {
      const { cluster } = await invoke(schedule, {}, asked);
      const parts = cluster?.jobs.filter(({ part }) => part !== "") ?? [];
      const silent = cluster?.hosts.filter(({ isAlive }) => !isAlive) ?? [];
      if (cluster === null || cluster.active > 0 || silent.length !== 1 || cluster.hosts.length !== 3) {
        await delay(100);
        continue;
      }
      assert.deepEqual(
        parts.map(({ part, state, outcome }) => `${part} ${state} ${outcome}`).toSorted(),
        subtrees.map((name) => `${join(root, name)} completed complete`),
      );
      assert.ok(parts.some(({ attempts }) => attempts > 1));
      assert.match(silent[0]?.host ?? "", new RegExp(`/${first.child.pid}$`));
      break;
    }

    for (const { child } of rest) child.kill("SIGTERM");
    await Promise.all(rest.map((host) => host.until(/^stopped/)));
    for (const state of states) state.close();
  });
});
