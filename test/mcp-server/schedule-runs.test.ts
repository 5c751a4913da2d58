import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";

import { countConverters, type IdleSigns } from "../../mcp-server/idle.ts";
import { makeScheduler, type ScheduleNews } from "../../mcp-server/scheduler.ts";
import { countInUse, invoke, latestRuns, openState, type Context } from "../../shared/index.ts";
import { schedule } from "../../shared/operations/schedule.ts";
import { thisOwner } from "../../shared/owner.ts";
import { makeContext } from "../support/context.ts";
import { startDockerList } from "../support/docker-list.ts";
import { makePlace } from "../support/place.ts";
import { failsWith, makeStaleLibrary } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";
import { makeClock } from "./fake-clock.ts";

/** A host with its own state and clock, whose library has something stale, and what its scheduler told. */
function makeHost(parts: {
  readonly schedules: readonly Record<string, unknown>[];
  readonly signs?: Partial<IdleSigns>;
  readonly state?: string;
  readonly root?: string;
  readonly cluster?: Record<string, unknown>;
  readonly config?: Record<string, unknown>;
}) {
  const clock = makeClock("2030-01-01T12:00:00Z");
  const root = parts.root ?? makeStaleLibrary("films", "series");
  const state = openState(parts.state ?? makePlace("state"));
  const notes: string[] = [];
  const config = {
    ...parts.config,
    libraries: [{ name: "media", roots: [root] }],
    cluster: parts.cluster ?? {},
    schedules: parts.schedules.map((one) => ({ timezone: "UTC", operation: "cleanup", ...one })),
  };
  const context = makeContext({ config, state: () => state, now: clock.now });
  const contextFor = (signal: AbortSignal): Context => ({ ...context, signal });
  const told: ScheduleNews[] = [];
  const start = () => {
    const scheduler = makeScheduler({
      contextFor,
      log: (message, fields) => notes.push(`${message} ${JSON.stringify(fields ?? "")}`),
      notify: (news) => told.push(news),
      wait: clock.wait,
      ...(parts.signs === undefined ? {} : { signs: parts.signs }),
    });
    schedulers.push(scheduler);
    return scheduler;
  };
  /** Resolves when so many runs were told of. */
  const toldOf = async (number: number) => {
    while (told.length < number) await setImmediate();
    return told.map(({ name, outcome }) => `${name} ${outcome}`);
  };
  const status = (input: Record<string, unknown> = {}) => invoke(schedule, input, context);
  return { clock, root, state, context, told, notes, start, toldOf, status };
}

const schedulers: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const scheduler of schedulers.splice(0)) await scheduler.stop();
});

const hourly = { name: "hourly", cron: "0 * * * *" };

describe("the scheduler", () => {
  it("plans at its time, and applies only where it is told to", async () => {
    const host = makeHost({ schedules: [hourly, { name: "applied", cron: "30 * * * *", apply: true }] });
    const before = treeState(host.root);
    await host.start().start();
    await host.clock.moveTo("2030-01-01T12:30:00Z");
    assert.deepEqual(await host.toldOf(1), ["applied complete"]);
    assert.notEqual(host.told[0]?.run, null);
    await host.clock.moveTo("2030-01-01T13:00:00Z");
    assert.deepEqual((await host.toldOf(2))[1], "hourly complete");
    assert.equal(host.told[1]?.reason, "Nothing to do.");
    assert.notDeepEqual(treeState(host.root), before);
    assert.equal(latestRuns(host.state, 10).length, 1);
  });

  it("leaves everything as it is with a plan that is not to be applied", async () => {
    const host = makeHost({ schedules: [hourly] });
    const before = treeState(host.root);
    await host.start().start();
    await host.clock.moveTo("2030-01-01T13:00:00Z");
    assert.deepEqual(await host.toldOf(1), ["hourly planned"]);
    assert.deepEqual(treeState(host.root), before);
    assert.match(host.told[0]?.reason ?? "", /2 changes wait for `cache-ops apply plan-/);
  });

  it("never applies a blocked plan, says why, and goes on with the others", async () => {
    const host = makeHost({
      schedules: [
        { ...hourly, apply: true },
        { name: "other", cron: "0 * * * *", operation: "check" },
      ],
    });
    rmSync(join(host.root, "films"), { recursive: true });
    rmSync(join(host.root, "series"), { recursive: true });
    await host.start().start();
    await host.clock.moveTo("2030-01-01T13:00:00Z");
    assert.deepEqual((await host.toldOf(2)).toSorted(), ["hourly blocked", "other complete"]);
    assert.match(host.told.find(({ name }) => name === "hourly")?.reason ?? "", /empty/);
    assert.equal(latestRuns(host.state, 10).length, 0);
    const { schedules } = await host.status({ name: "hourly" });
    assert.equal(schedules[0]?.lastRun?.outcome, "blocked");
  });

  it("records a failure, and comes again at its next time", async () => {
    const host = makeHost({ schedules: [{ ...hourly, input: { paths: ["nowhere"] } }] });
    await host.start().start();
    await host.clock.moveTo("2030-01-01T14:00:00Z");
    assert.deepEqual(await host.toldOf(2), ["hourly failed", "hourly failed"]);
    assert.match(host.told[0]?.reason ?? "", /"nowhere" is neither/);
  });

  it("does not call complete what could be looked at in part only, and says what is missing", async () => {
    const docker = await startDockerList([{ id: "a1".repeat(32) }]);
    const host = makeHost({
      schedules: [{ ...hourly, operation: "empty", apply: true }],
      config: {
        engines: [
          { name: "ace", socket: docker.endpoint },
          { name: "far", socket: "tcp://127.0.0.1:9" },
        ],
      },
    });
    await host.start().start();
    await host.clock.moveTo("2030-01-01T13:00:00Z");
    assert.deepEqual(await host.toldOf(1), ["hourly partial"]);
    assert.match(host.told[0]?.reason ?? "", /^Nothing to do\..* Could not be looked at: far: /);
    await docker.stop();
    await host.clock.moveTo("2030-01-01T14:00:00Z");
    assert.equal((await host.toldOf(2))[1], "hourly failed");
  });

  it("makes up for what was missed once when asked to, else leaves it out and says so", async () => {
    const host = makeHost({
      schedules: [
        { ...hourly, operation: "check", missed: "run" },
        { name: "skipping", cron: "0 * * * *", operation: "check" },
      ],
    });
    const first = host.start();
    await first.start();
    await host.clock.moveTo("2030-01-01T12:30:00Z");
    await first.stop();
    await host.clock.jumpTo("2030-01-05T09:15:00Z");
    await host.start().start();
    await host.clock.moveTo("2030-01-05T09:20:00Z");
    assert.deepEqual((await host.toldOf(2)).toSorted(), ["hourly complete", "skipping skipped"]);
    assert.match(host.told.find(({ outcome }) => outcome === "skipped")?.reason ?? "", /running at 2030-01-05T09:00/);
    await host.clock.moveTo("2030-01-05T10:00:00Z");
    assert.deepEqual((await host.toldOf(4)).slice(2).toSorted(), ["hourly complete", "skipping complete"]);
  });

  it("notices a host that slept", async () => {
    const host = makeHost({ schedules: [{ ...hourly, operation: "check" }] });
    await host.start().start();
    await host.clock.jumpTo("2030-01-03T12:30:00Z");
    assert.deepEqual(await host.toldOf(1), ["hourly skipped"]);
  });

  it("has nothing missed of a schedule that is new or whose times were changed", async () => {
    const state = makePlace("state");
    const old = makeHost({ state, schedules: [hourly] });
    const first = old.start();
    await first.start();
    await old.clock.moveTo("2030-01-01T12:30:00Z");
    await first.stop();
    const host = makeHost({ state, schedules: [{ ...hourly, cron: "0 3 * * *", missed: "run" }] });
    await host.clock.jumpTo("2030-01-05T09:15:00Z");
    await host.start().start();
    await host.clock.moveTo("2030-01-05T12:00:00Z");
    assert.deepEqual(host.told, []);
  });

  it("waits until the host is idle, shows what for, and then runs", async () => {
    let load = 3;
    const host = makeHost({
      schedules: [{ ...hourly, onlyWhenIdle: { load: 0.5, wait: "20m" } }],
      signs: { load: () => load },
    });
    await host.start().start();
    await host.clock.moveTo("2030-01-01T13:05:00Z");
    const waiting = (await host.status()).schedules[0];
    assert.deepEqual([waiting?.state, waiting?.doing], ["waiting", "load 3.00 a core, over 0.5"]);
    load = 0.1;
    await host.clock.moveTo("2030-01-01T13:06:00Z");
    assert.deepEqual(await host.toldOf(1), ["hourly planned"]);
  });

  it("leaves a time out when the host does not become idle in time, and says so", async () => {
    const host = makeHost({
      schedules: [{ ...hourly, apply: true, onlyWhenIdle: { conversions: 0, wait: "20m" } }],
      signs: { conversions: async () => 2 },
    });
    const before = treeState(host.root);
    await host.start().start();
    await host.clock.moveTo("2030-01-01T13:30:00Z");
    assert.deepEqual(await host.toldOf(1), ["hourly skipped"]);
    assert.match(host.told[0]?.reason ?? "", /Not idle within 20m: 2 conversions, over 0/);
    assert.deepEqual(treeState(host.root), before);
  });

  it("does not take streams that nobody counts for none, and asks who can", async () => {
    const onlyWhenIdle = { streams: 0, wait: "0s" };
    const blind = makeHost({ schedules: [{ ...hourly, onlyWhenIdle }] });
    await blind.start().start();
    await blind.clock.moveTo("2030-01-01T13:00:00Z");
    assert.deepEqual(await blind.toldOf(1), ["hourly skipped"]);
    const seeing = makeHost({ schedules: [{ ...hourly, onlyWhenIdle }], signs: { streams: async () => 0 } });
    await seeing.start().start();
    await seeing.clock.moveTo("2030-01-01T13:00:00Z");
    assert.deepEqual(await seeing.toldOf(1), ["hourly planned"]);
  });

  it("waits while an orchestrator does not say whether streams play, and says so", async () => {
    const host = makeHost({
      schedules: [{ ...hourly, onlyWhenIdle: { streams: 3, wait: "0s" } }],
      config: { engines: [{ name: "ace", orchestrator: { url: "http://127.0.0.1:9" } }] },
    });
    await host.start().start();
    await host.clock.moveTo("2030-01-01T13:00:00Z");
    assert.deepEqual(await host.toldOf(1), ["hourly skipped"]);
    assert.match(host.told[0]?.reason ?? "", /Not idle within 0s: .* not known: orchestrator http:\/\/127\.0\.0\.1:9/);
  });

  it("never runs a schedule twice at a time", async () => {
    const host = makeHost({
      schedules: [{ ...hourly, onlyWhenIdle: { load: 1, wait: "5h" } }],
      signs: { load: () => 3 },
    });
    await host.start().start();
    await host.clock.moveTo("2030-01-01T14:00:00Z");
    assert.deepEqual(await host.toldOf(1), ["hourly skipped"]);
    assert.match(host.told[0]?.reason ?? "", /run before is still going on/);
    await assert.rejects(host.status({ action: "run", name: "hourly" }), failsWith("locked", /at work already/));
    assert.equal((await host.status()).schedules[0]?.state, "waiting");
  });

  it("stops at once what waits, and records it as cancelled", async () => {
    const host = makeHost({
      schedules: [{ ...hourly, onlyWhenIdle: { load: 1 } }],
      signs: { load: () => 3 },
    });
    const scheduler = host.start();
    await scheduler.start();
    await host.clock.moveTo("2030-01-01T13:00:00Z");
    await scheduler.stop();
    assert.deepEqual(await host.toldOf(1), ["hourly cancelled"]);
    assert.equal((await host.status()).scheduler, null);
  });

  it("pauses and resumes for good, and what passed meanwhile is not missed", async () => {
    const host = makeHost({ schedules: [{ ...hourly, operation: "check", missed: "run" }] });
    const paused = await host.status({ action: "stop", name: "hourly" });
    assert.deepEqual([paused.schedules[0]?.state, paused.schedules[0]?.nextRun], ["paused", null]);
    await host.start().start();
    await host.clock.moveTo("2030-01-01T15:30:00Z");
    const resumed = await host.status({ action: "start" });
    assert.deepEqual(resumed.schedules[0]?.nextRun, "2030-01-01T16:00:00.000Z");
    await host.clock.moveTo("2030-01-01T15:45:00Z");
    assert.deepEqual(host.told, []);
    await host.clock.moveTo("2030-01-01T16:00:00Z");
    assert.deepEqual(await host.toldOf(1), ["hourly complete"]);
  });

  it("does not begin to share work when no Redis is named", async () => {
    const host = makeHost({ schedules: [hourly], cluster: { enabled: true } });
    await assert.rejects(host.start().start(), failsWith("invalid_input", /needs a Redis/));
  });

  it("stands by while another living process runs the schedules of this host", async () => {
    const host = makeHost({ schedules: [hourly] });
    const other = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    await once(other, "spawn");
    const owner = { ...thisOwner(), pid: other.pid, startedAt: "" };
    host.state.write(() =>
      host.state.run("INSERT INTO scheduler (id, owner, since, seen_at) VALUES (1, ?, 1, 1)", JSON.stringify(owner)),
    );
    await host.start().start();
    await host.clock.moveTo("2030-01-01T13:30:00Z");
    assert.deepEqual([host.told, (await host.status()).scheduler?.process], [[], other.pid]);
    other.kill("SIGKILL");
    await once(other, "exit");
    await host.clock.moveTo("2030-01-01T14:00:00Z");
    assert.deepEqual(await host.toldOf(1), ["hourly planned"]);
  });

  it("records as failed what a process was doing that died", async () => {
    const host = makeHost({ schedules: [hourly] });
    const doing = { what: "running", reason: "cleanup", since: 5, owner: { ...thisOwner(), pid: 4_000_000 } };
    host.state.write(() =>
      host.state.run(
        "INSERT INTO schedules (name, cron, due_at, doing) VALUES ('hourly', '0 * * * *', ?, ?)",
        host.clock.now(),
        JSON.stringify(doing),
      ),
    );
    await host.start().start();
    await host.clock.moveTo("2030-01-01T12:10:00Z");
    const [one] = (await host.status()).schedules;
    assert.deepEqual([one?.state, one?.lastRun?.outcome], ["ready", "failed"]);
    assert.match(one?.lastRun?.reason ?? "", /ended in the middle/);
  });
});

describe("schedule", () => {
  it("runs one now, idle or not, and its result is how it went", async () => {
    const host = makeHost({
      schedules: [{ ...hourly, apply: true, onlyWhenIdle: { load: 0.0001 } }],
      signs: { load: () => 99 },
    });
    const output = await host.status({ action: "run", name: "hourly" });
    assert.deepEqual([output.ran?.outcome, schedule.outcome(output)], ["complete", "ok"]);
    assert.match(schedule.view(output).title, /^complete: Done and verified: 2 entries/);
    rmSync(host.root, { recursive: true });
    const blocked = await host.status({ action: "run", name: "hourly" });
    assert.deepEqual([blocked.ran?.outcome, schedule.outcome(blocked)], ["blocked", "blocked"]);
  });

  it("says which schedules there are when it is asked for another", async () => {
    const host = makeHost({ schedules: [hourly] });
    await assert.rejects(host.status({ name: "weekly" }), failsWith("not_found", /weekly/));
    await assert.rejects(host.status({ action: "run" }), failsWith("invalid_input", /needs the name/));
  });

  it("shows who runs the schedules, when next, and that nobody does", async () => {
    const host = makeHost({ schedules: [hourly] });
    const nobody = schedule.view(await host.status());
    assert.deepEqual(nobody.facts, [["Run by", "nobody"]]);
    assert.match(nobody.notes.join(), /cache-ops serve/);
    await host.start().start();
    await host.clock.moveTo("2030-01-01T12:01:00Z");
    const view = schedule.view(await host.status());
    assert.match(view.facts[0]?.[1] ?? "", new RegExp(`^process ${process.pid} on .* since 2030-01-01T12:00`));
    assert.deepEqual(view.table.rows[0]?.slice(0, 5), [
      "hourly (0 * * * *)",
      "cleanup",
      "ready",
      "2030-01-01T13:00:00.000Z",
      "never",
    ]);
  });
});

describe("conversions on this host", () => {
  it("are also seen by mediabox's locks in the libraries, wherever they run", async () => {
    const host = makeHost({ schedules: [] });
    assert.equal(await countInUse(host.context), 0);
    const lock = { hostname: "another", pid: 1, timestamp: host.clock.now() / 1000 - 60 };
    writeFileSync(join(host.root, "films", "films one.mkv.lock"), JSON.stringify(lock));
    assert.equal(await countInUse(host.context), 1);
    assert.equal(await countInUse(makeContext()), 0);
  });

  it("are the converters among its processes; one that ends meanwhile and a system without /proc count for nothing", async () => {
    const proc = makePlace("proc");
    for (const [id, command] of [
      ["1", "init"],
      ["20", "ffmpeg"],
      ["21", "HandBrakeCLI"],
      ["22", "ffmpeg-like"],
    ] as const) {
      mkdirSync(join(proc, id));
      writeFileSync(join(proc, id, "comm"), `${command}\n`);
    }
    mkdirSync(join(proc, "23"));
    mkdirSync(join(proc, "self"));
    assert.equal(await countConverters(proc), 2);
    assert.equal(await countConverters(join(proc, "none")), 0);
  });
});
