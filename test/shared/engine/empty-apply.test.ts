import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";

import { invoke, openState, type Context, type State } from "../../../shared/index.ts";
import { history } from "../../../shared/operations/history.ts";
import { cliEnvironment, PROGRAM } from "../../support/cli.ts";
import { prepareDocker } from "../../support/docker.ts";
import { engineLine, streamLine, type StandIn } from "../../support/orchestrator.ts";
import { makePlace } from "../../support/place.ts";
import { applyById, failsWith, undoById } from "../../support/runs.ts";
import {
  contextWith,
  engineSettings,
  fill,
  FILLED,
  HOME,
  namesIn,
  orchestratorOf,
  planEmpty,
  rowOf,
  startEngine,
} from "./empty-place.ts";

describe("applying a plan to empty engine caches", () => {
  const host = prepareDocker();
  const states: State[] = [];
  after(() => {
    for (const state of states) state.close();
  });

  /** An engine with a filled cache that its orchestrator knows as idle, and a plan to empty it. */
  async function scene(parts: Record<string, unknown> = {}, ...options: readonly string[]) {
    const id = startEngine(host, "one", ...options);
    const standIn = await orchestratorOf(id);
    const context = contextWith([engineSettings(host, { orchestrator: { url: standIn.url }, ...parts })]);
    const { plan, status } = await planEmpty(context);
    assert.equal(status, "ready");
    return { id, standIn, context, plan };
  }

  /** A stream that begins as soon as `has` says so, at whatever look that is. */
  const beginWhen = (standIn: StandIn, id: string, has: () => boolean) =>
    Object.defineProperty(standIn, "streams", { get: () => (has() ? [streamLine("late", "started", id)] : []) });

  const assertUntouched = (container = "one") => assert.deepEqual(namesIn(host, container), ["a", "deep"]);

  it("empties exactly the idle one, and measures, reports and remembers what that freed", async () => {
    const { id, standIn, context } = await scene();
    const busy = startEngine(host, "two");
    standIn.engines = [engineLine(id), engineLine(busy)];
    standIn.streams = [streamLine("s", "started", busy)];
    const { plan } = await planEmpty(context);
    const report = await applyById(context, plan);
    const { status, entries, caches, reclaimedBytes, predicted, undoUntil } = report;
    assert.deepEqual([status, entries, caches, reclaimedBytes, undoUntil], ["complete", 1, 1, FILLED.bytes, null]);
    assert.deepEqual(predicted, { entries: 1, caches: 1, bytes: FILLED.bytes });
    assert.deepEqual(namesIn(host, "one"), []);
    assertUntouched("two");
    const row = await rowOf(context, "one");
    assert.deepEqual(
      [row?.bytes, row?.entries, row?.state, row?.cacheSizeBytes, row?.cleanups, row?.freedBytes],
      [0, 0, "measured", FILLED.bytes, 1, FILLED.bytes],
    );
    const [last] = row?.history ?? [];
    assert.deepEqual([last?.bytesBefore, last?.bytesAfter, last?.outcome], [FILLED.bytes, 0, "complete"]);
    assert.equal(row?.lastCacheCleanup, last?.at);
    const again = await planEmpty(context);
    assert.deepEqual([again.status, again.skipped.map(({ rule }) => rule)], ["empty", ["already_empty", "busy"]]);
    assert.deepEqual((await rowOf(context, "one"))?.lastCacheCleanup, row?.lastCacheCleanup);
    const { runs } = await invoke(history, {}, context);
    assert.deepEqual(
      runs.map((run) => [run.status, run.reclaimedBytes, run.canUndo]),
      [["complete", FILLED.bytes, false]],
    );
    await assert.rejects(undoById(context, report.run), failsWith("not_found", /removed for good/));
    assert.equal((await applyById(context, plan)).run, report.run);
  });

  it("remembers by the name of the container, so also when that is made anew", async () => {
    const { context, plan, standIn } = await scene();
    await applyById(context, plan);
    host.docker("rm", "-f", "one");
    const id = startEngine(host, "one");
    standIn.engines = [engineLine(id)];
    assert.equal((await rowOf(context, "one"))?.cleanups, 1);
    await applyById(context, (await planEmpty(context)).plan);
    const row = await rowOf(context, "one");
    assert.deepEqual([row?.cleanups, row?.freedBytes, row?.history.length], [2, 2 * FILLED.bytes, 2]);
  });

  for (const [when, begins] of [
    ["between plan and apply", () => () => true],
    ["right before the removal", (looks: () => number) => () => looks() >= 2],
  ] as const) {
    it(`removes nothing when a stream begins ${when}, and says so`, async () => {
      const { id, standIn, context, plan } = await scene();
      const before = standIn.asked.filter((asked) => asked.endsWith("/streams")).length;
      const looks = () => standIn.asked.filter((asked) => asked.endsWith("/streams")).length - before;
      beginWhen(standIn, id, begins(looks));
      const report = await applyById(context, plan);
      assert.deepEqual([report.status, report.reclaimedBytes, report.refused[0]?.code], ["refused", 0, "blocked"]);
      assert.match(report.refused[0]?.message ?? "", /^busy: stream late \(started\)$/);
      assertUntouched();
      assert.equal((await rowOf(context, "one"))?.lastCacheCleanup, null);
    });
  }

  it("is partial when a stream begins during the removal, and says so", async () => {
    const { id, standIn, context, plan } = await scene();
    beginWhen(standIn, id, () => namesIn(host, "one").length === 0);
    const report = await applyById(context, plan);
    assert.deepEqual([report.status, report.reclaimedBytes, report.entries], ["partial", FILLED.bytes, 0]);
    assert.deepEqual(
      report.outcomes?.map(({ outcome }) => outcome),
      ["partial"],
    );
    assert.match(report.refused[0]?.message ?? "", /^it did not stay idle: busy: stream late \(started\)$/);
    assert.equal((await rowOf(context, "one"))?.cleanups, 1);
    await assert.rejects(undoById(context, report.run), failsWith("not_found", /removed for good/));
  });

  it("removes nothing when the orchestrator is silent, and is partial when it falls silent during the removal", async () => {
    const { standIn, context, plan } = await scene({ orchestrator: undefined });
    await standIn.stop();
    assert.equal((await applyById(context, plan)).status, "complete");
    fill(host, "one");
    await standIn.restart();
    const { configuration } = contextWith([engineSettings(host, { orchestrator: { url: standIn.url } })]);
    const watched: Context = { ...context, configuration };
    const first = await planEmpty(watched);
    await standIn.stop();
    const refused = await applyById(watched, first.plan);
    assert.deepEqual([refused.status, refused.refused[0]?.code], ["refused", "unavailable"]);
    assertUntouched();
    await standIn.restart();
    const second = await planEmpty(watched);
    const looks = standIn.asked.length;
    standIn.faults.set("streams", ["none", "none", ...Array.from({ length: 9 }, () => ({ status: 500 }))]);
    const partial = await applyById(watched, second.plan);
    assert.ok(standIn.asked.length > looks + 4);
    assert.deepEqual(
      [partial.status, partial.refused[0]?.code, partial.reclaimedBytes],
      ["partial", "unavailable", FILLED.bytes],
    );
    assert.match(
      partial.refused[0]?.message ?? "",
      /whether it stayed idle meanwhile is not known: unknown: orchestrator/,
    );
  });

  const changes: readonly (readonly [string, (id: string) => void, string, RegExp])[] = [
    ["removed", (id) => host.docker("rm", "-f", id), "stale_plan", /not there any more/],
    ["restarted", (id) => host.docker("restart", "-t", "0", id), "stale_plan", /started anew/],
    ["paused", (id) => host.docker("pause", id), "blocked", /paused/],
    ["stopped", (id) => host.docker("kill", id), "blocked", /stopped/],
    ["written to", (id) => host.inside(id, "touch", `${HOME}/new`), "stale_plan", /changed since the plan/],
    ["given to another, too", () => host.start("other", "-v", "vol:/elsewhere"), "blocked", /shared with other/],
  ];
  it("removes nothing when the container was changed since the plan", async () => {
    for (const [what, change, code, message] of changes) {
      const { id, context, plan } = await scene({}, "-v", `vol:${HOME}`);
      change(id);
      const report = await applyById(context, plan);
      assert.deepEqual([report.status, report.refused[0]?.code], ["refused", code], what);
      assert.match(report.refused[0]?.message ?? "", message, what);
      if (what !== "removed") host.docker("rm", "-f", id);
      host.start("witness", "-v", `vol:${HOME}`);
      assert.deepEqual(namesIn(host, "witness").slice(0, 2), ["a", "deep"], what);
      host.docker("rm", "-f", "witness");
    }
  });

  it("reports what could not be removed, with the bytes that were", async () => {
    const { context, plan } = await scene({}, "--cap-drop", "ALL");
    host.inside("one", "chmod", "500", `${HOME}/deep/er`);
    const report = await applyById(context, plan);
    assert.deepEqual([report.status, report.reclaimedBytes, report.refused[0]?.code], ["partial", 5000, "forbidden"]);
    assert.match(report.refused[0]?.message ?? "", /^3 of 4 entries are there now: .*Permission denied/);
    const row = await rowOf(context, "one");
    assert.deepEqual([row?.history[0]?.outcome, row?.freedBytes], ["partial", 5000]);
  });

  it("waits for the grace period again when the plan was made long ago", async () => {
    const { plan, context } = await scene({ grace: "2s", poll: "1s" });
    const state = context.state();
    state.write(() => state.run("UPDATE idle_memories SET looked_at = looked_at - 60000"));
    const waits: string[] = [];
    const report = await applyById({ ...context, progress: ({ message }) => void waits.push(message) }, plan);
    assert.equal(report.status, "complete");
    assert.ok(waits.includes("waiting for engines to stay idle"), waits.join());
  });

  it("does not say that it is done when the caller gave up before the end of the removal was seen", async () => {
    const { context, plan } = await scene();
    // It removes, and does not come to an end then.
    const program = `shift 3; "$@"; code=$?; [ -z "$(ls -A ${HOME})" ] && sleep 1000; exit $code`;
    host.inside("one", "rm", "/bin/timeout");
    host.inside("one", "sh", "-c", 'printf "#!/bin/sh\n%s\n" "$1" > /bin/timeout', "sh", program);
    host.inside("one", "chmod", "755", "/bin/timeout");
    const caller = new AbortController();
    const applying = applyById({ ...context, signal: caller.signal }, plan);
    while (namesIn(host, "one").length > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    caller.abort();
    const report = await applying;
    assert.deepEqual([report.status, report.entries, report.reclaimedBytes], ["cancelled", 0, 0]);
    assert.deepEqual(
      report.outcomes?.map(({ outcome }) => outcome),
      ["partial"],
    );
    assert.match(
      report.refused[0]?.message ?? "",
      /the removal began, and what is left is not known.*end was not seen/,
    );
    assert.deepEqual(
      (await rowOf(context, "one"))?.history.map(({ outcome }) => outcome),
      ["unverified"],
    );
  });

  /** Applies a plan in a process of its own, and kills that when it asks for the streams once more than `looks` times. */
  async function killedApply(looks: number) {
    const { standIn, context: planner } = await scene();
    const stateDirectory = makePlace("state");
    const state = openState(stateDirectory);
    states.push(state);
    const context: Context = { ...planner, state: () => state };
    const { plan } = await planEmpty(context);
    const config = join(makePlace("config"), "config.json");
    const caches = [engineSettings(host, { orchestrator: { url: standIn.url, timeLimit: "60s" } })];
    writeFileSync(config, JSON.stringify({ engines: caches }));
    standIn.faults.set("streams", [...Array.from({ length: looks }, () => "none" as const), "hang"]);
    const asked = standIn.asked.length;
    const env = cliEnvironment(stateDirectory, config);
    const child = spawn(execPath, [PROGRAM, "apply", plan], { env, stdio: "ignore" });
    const streams = () => standIn.asked.slice(asked).filter((one) => one.endsWith("/streams")).length;
    while (streams() <= looks) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill("SIGKILL");
    await once(child, "exit");
    return { context, plan };
  }

  for (const [where, looks, isEmptied] of [
    ["before", 1, false],
    ["after", 2, true],
  ] as const) {
    it(`goes on when its process was killed right ${where} the removal`, async () => {
      const { context, plan } = await killedApply(looks);
      assert.deepEqual(namesIn(host, "one"), isEmptied ? [] : ["a", "deep"]);
      const report = await applyById(context, plan);
      assert.deepEqual([report.status, report.reclaimedBytes], ["complete", FILLED.bytes]);
      assert.deepEqual(namesIn(host, "one"), []);
      assert.equal((await rowOf(context, "one"))?.cleanups, 1);
    });
  }

  it("removes nothing more when its process was killed and something else is there by now", async () => {
    const { context, plan } = await killedApply(1);
    host.inside("one", "rm", `${HOME}/a`);
    const report = await applyById(context, plan);
    assert.deepEqual([report.status, report.reclaimedBytes, report.entries], ["partial", 5000, 0]);
    assert.match(report.refused[0]?.message ?? "", /the run was interrupted; 3 of 4 entries are there now/);
    assert.deepEqual(namesIn(host, "one"), ["deep"]);
  });
});
