import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";

import { invoke, type Context } from "../../../shared/index.ts";
import { empty } from "../../../shared/operations/empty.ts";
import { engines } from "../../../shared/operations/engines.ts";
import { IMAGES, prepareDocker } from "../../support/docker.ts";
import { streamLine } from "../../support/orchestrator.ts";
import { makePlace } from "../../support/place.ts";
import { failsWith } from "../../support/runs.ts";
import {
  contextWith,
  engineSettings,
  fill,
  FILLED,
  HOME,
  orchestratorOf,
  planEmpty,
  rowOf,
  startEngine,
} from "./empty-place.ts";

describe("a plan to empty engine caches", () => {
  const host = prepareDocker();

  const contextFor = (parts: Record<string, unknown> = {}, context: Partial<Context> = {}) =>
    contextWith([engineSettings(host, parts)], context);
  /** What would be emptied, and the rule by which each other container is left alone. */
  const planned = async (context: Context, input: Record<string, unknown> = {}) => {
    const { changes = [], skipped } = await planEmpty(context, input);
    return {
      emptied: changes.map(({ name }) => name),
      left: Object.fromEntries(skipped.map(({ name, rule }) => [name, rule])),
      observed: skipped.map(({ observed }) => observed).join("\n"),
    };
  };

  it("is of the idle ones that hold something, each bound to what was seen", async () => {
    const [idle, busy, blank] = ["one", "two", "three"].map((name) => startEngine(host, name));
    host.inside("three", "rm", "-rf", `${HOME}/a`, `${HOME}/deep`);
    host.start("four", "--label", "ondemand.app=myservice");
    host.start("other");
    const standIn = await orchestratorOf(idle ?? "", busy ?? "", blank ?? "");
    standIn.streams = [streamLine("abc", "started", busy ?? ""), streamLine("old", "ended", idle ?? "")];
    const context = contextFor({ orchestrator: { url: standIn.url } });
    const plan = await planEmpty(context);
    assert.deepEqual([plan.status, plan.bytes, plan.undoUntil], ["ready", FILLED.bytes, null]);
    assert.match(plan.acknowledge, /^empty 1 cache in an idle container in 1 cache under ace; cannot be undone$/);
    const [change] = plan.changes ?? [];
    assert.deepEqual(
      [change?.kind, change?.does, change?.cache, change?.entry, change?.name, change?.reason.rule],
      ["engine", "empty", `ace/one:${HOME}`, HOME, "one", "idle"],
    );
    assert.equal(change?.container?.container.id, idle);
    assert.deepEqual([change?.container?.seen.size, change?.container?.seen.entries], [FILLED.bytes, FILLED.entries]);
    assert.deepEqual((await planned(context)).left, { two: "busy", three: "already_empty", four: "absent" });
    assert.match((await planned(context)).observed, /busy: stream abc \(started\)/);
    assert.deepEqual((await planned(context, { container: ["two"] })).left, { two: "busy" });
    assert.deepEqual((await planned(context, { container: [idle ?? ""] })).emptied, ["one"]);
    await assert.rejects(planEmpty(context, { container: ["nobody"] }), failsWith("not_found", /nobody/));
    await assert.rejects(planEmpty(context, { engine: ["nobody"] }), failsWith("invalid_input", /nobody/));
  });

  it("can be narrowed to some of its changes", async () => {
    const ids = [startEngine(host, "one"), startEngine(host, "two")];
    const { url } = await orchestratorOf(...ids);
    const context = contextFor({ orchestrator: { url } });
    const { plan: from } = await planEmpty(context);
    const narrowed = await planEmpty(context, { from, only: [2] });
    assert.deepEqual(
      narrowed.changes?.map(({ id, name }) => [id, name]),
      [[1, "two"]],
    );
    assert.deepEqual([narrowed.actions, narrowed.bytes], [1, FILLED.bytes]);
  });

  it("leaves alone what the orchestrator does not know, what it may be about to use, and all when it is silent", async () => {
    const ids = [startEngine(host, "one"), startEngine(host, "two")];
    const standIn = await orchestratorOf(ids[0] ?? "");
    const context = contextFor({ orchestrator: { url: standIn.url, timeLimit: "30s" } });
    assert.deepEqual(await planned(context).then(({ emptied, left }) => [emptied, left]), [
      ["one"],
      { two: "unknown_use" },
    ]);
    standIn.streams = [streamLine("s", "allocating", null)];
    assert.deepEqual((await planned(context)).left, { one: "busy", two: "busy" });
    await standIn.stop();
    const silent = await planEmpty(context);
    assert.deepEqual(
      [silent.status, silent.skipped.map(({ rule }) => rule)],
      ["empty", ["unknown_use", "unknown_use"]],
    );
    assert.deepEqual(
      silent.errors.map(({ path, code }) => [path, code]),
      [["ace", "unavailable"]],
    );
    assert.match(silent.errors[0]?.message ?? "", /GET .*\/engines: ECONNREFUSED.*Check that the orchestrator runs/);
    const { errors, caches } = await invoke(engines, {}, context);
    assert.deepEqual(
      [errors.length, caches.map(({ use, state }) => [use, state])],
      [
        1,
        [
          ["unknown", "measured"],
          ["unknown", "measured"],
        ],
      ],
    );
  });

  it("leaves alone what cannot be emptied: read-only, stopped, paused, with a mount in it, out of place", async () => {
    host.start("helper", "-v", "ro:/data/ro", "-v", "outer:/data/outer");
    fill(host, "helper", "/data/ro/cache");
    fill(host, "helper", "/data/outer/cache");
    host.docker("rm", "-f", "helper");
    const label = ["--label", "ondemand.app=myservice", "--label"];
    host.start("read-only", ...label, "cache=/vol/cache", "-v", "ro:/vol:ro");
    host.start("outer", ...label, "cache=/vol/cache", "-v", "outer:/vol", "-v", "inner:/vol/cache/inner");
    host.start("system", ...label, "cache=/etc/cache");
    for (const name of ["stopped", "paused"]) startEngine(host, name);
    host.docker("kill", "stopped");
    host.docker("pause", "paused");
    const { emptied, left, observed } = await planned(contextFor({ cachePathLabel: "cache" }));
    assert.deepEqual(emptied, []);
    assert.deepEqual(left, {
      outer: "cannot_be_emptied",
      paused: "not_running",
      "read-only": "cannot_be_emptied",
      stopped: "not_running",
      system: "cannot_be_measured",
    });
    for (const why of ["read-only", "stopped", "paused", "another mount lies in it", "directory of the system"]) {
      assert.ok(observed.includes(why), `${why}: ${observed}`);
    }
  });

  it("leaves a directory alone that is shared with one that is busy, or that nobody looks after", async () => {
    const ids = ["one", "two", "three"].map((name) =>
      startEngine(host, name, "--label", "cache=/vol/cache", "-v", `${name === "three" ? "own" : "both"}:/vol`),
    );
    fill(host, "one", "/vol/cache");
    fill(host, "three", "/vol/cache");
    const standIn = await orchestratorOf(...ids);
    standIn.streams = [streamLine("s", "started", ids[1] ?? "")];
    const context = contextFor({ cachePathLabel: "cache", orchestrator: { url: standIn.url } });
    const shared = await planned(context);
    assert.deepEqual([shared.emptied, shared.left], [["three"], { one: "shared", two: "busy" }]);
    assert.match(shared.observed, /shared with two, busy: stream s/);
    standIn.streams = [];
    assert.deepEqual((await planned(context)).emptied, ["one", "three", "two"]);
    host.start("stranger", "-v", "own:/elsewhere");
    assert.deepEqual((await planned(context)).left, { three: "shared" });
  });

  it("goes by clients and open files where there is no orchestrator, and by the ports that are named", async () => {
    const [id] = ["one", "two"].map((name) => startEngine(host, name));
    host.docker("exec", "-d", "one", "sh", "-c", "nc -ll -p 6878 -e cat");
    while (!host.inside("one", "cat", "/proc/net/tcp", "/proc/net/tcp6").includes(":1ADE "));
    host.docker("exec", "-d", "one", "sh", "-c", "sleep 1000 | nc 127.0.0.1 6878");
    const context = contextFor();
    let row = await rowOf(context, "one");
    while (row?.use !== "busy") row = await rowOf(context, "one");
    assert.match(row.because, /^busy: a client of port 6878/);
    assert.equal(row.containerId, id);
    assert.deepEqual(await planned(context).then(({ emptied, left }) => [emptied, left]), [["two"], { one: "busy" }]);
    assert.deepEqual((await planned(contextFor({ ports: [80] }))).emptied, ["one", "two"]);
    host.docker("exec", "-d", "-w", HOME, "two", "sleep", "1000");
    let left = {};
    while (Object.keys(left).length < 2) ({ left } = await planned(context));
    assert.deepEqual(left, { one: "busy", two: "busy" });
  });

  it("waits the grace period out, unless looks before vouch for it", async () => {
    startEngine(host, "one");
    const start = Date.now();
    let now = start;
    const waits: string[] = [];
    const progress: Context["progress"] = ({ message }) => void waits.push(message);
    const context = contextFor({ grace: "60s", poll: "30s" }, { now: () => now, progress });
    for (const seconds of [0, 30, 60]) {
      now = start + seconds * 1000;
      const row = await rowOf(context, "one");
      assert.equal(row?.use, seconds === 60 ? "idle" : "busy", row?.because);
    }
    assert.deepEqual((await planned(context)).emptied, ["one"]);
    assert.deepEqual(waits, []);
    // Nobody looked for longer than two pauses.
    now += 90_000;
    assert.match((await rowOf(context, "one"))?.because ?? "", /idle, but not for long: 1m to go/);
    const impatient = contextFor({ grace: "2s", poll: "1s" }, { progress });
    assert.deepEqual((await planned(impatient)).emptied, ["one"]);
    assert.ok(waits.length >= 2 && waits[0] === "waiting for engines to stay idle", waits.join());
  });

  it("leaves alone what changes while it is watched", async () => {
    startEngine(host, "one");
    host.docker("exec", "-d", "one", "sh", "-c", `while :; do date +%N >> ${HOME}/a; usleep 100000; done`);
    const { left, observed } = await planned(contextFor({ grace: "2s", poll: "1s" }));
    assert.deepEqual(left, { one: "busy" });
    assert.match(observed, /contents changed|open/);
  });

  it("goes on with other engine caches when one is down, and says what was tried; with none it fails with that", async () => {
    startEngine(host, "one");
    const gone = { ...engineSettings(host), name: "gone", socket: join(makePlace("gone"), "docker.sock") };
    const context = contextWith([gone, engineSettings(host)]);
    const plan = await planEmpty(context);
    assert.deepEqual(
      plan.changes?.map(({ cache }) => cache),
      [`ace/one:${HOME}`],
    );
    assert.deepEqual(
      plan.errors.map(({ path, code }) => [path, code]),
      [["gone", "unavailable"]],
    );
    assert.match(plan.errors[0]?.message ?? "", /docker\.sock: ENOENT\. Start Docker or Podman/);
    const { caches, errors } = await invoke(engines, {}, context);
    assert.deepEqual([caches.length, errors.length, engines.outcome({ caches, errors })], [1, 1, "partial"]);
    await assert.rejects(planEmpty(context, { engine: ["gone"] }), failsWith("unavailable", /ENOENT/));
    await assert.rejects(invoke(engines, {}, contextWith([])), failsWith("not_found", /no engine cache/));
  });

  it("finds the cache of an image with nothing in it, and is shown with what is left alone and why", async () => {
    host.start("helper", "-v", "bare:/vol");
    fill(host, "helper", "/vol/cache");
    host.docker("rm", "-f", "helper");
    host.start("bare", IMAGES.bare, "--label", "ondemand.app=myservice", "-v", "bare:/vol");
    const busy = startEngine(host, "busy");
    const standIn = await orchestratorOf(busy, host.docker("inspect", "-f", "{{.Id}}", "bare").trim());
    standIn.streams = [streamLine("abc", "started", busy)];
    const orchestrator = { url: standIn.url };
    const context = contextFor({ probePaths: ["/vol/cache", HOME], orchestrator });
    const summary = await planEmpty(context);
    assert.deepEqual(
      summary.changes?.map(({ name, entry }) => [name, entry]),
      [["bare", "/vol/cache"]],
    );
    const { notes } = empty.view(summary);
    assert.ok(
      notes.some((note) => note === `Left alone: ace/busy:${HOME} (busy: stream abc (started)).`),
      notes.join("\n"),
    );
  });

  it("goes on with other engine caches when the way to an engine breaks off after it told of its containers", async () => {
    startEngine(host, "one");
    const socket = join(makePlace("fragile"), "socket");
    let lists = 0;
    const proxy = createServer((client) => {
      const engine = connect(host.socket);
      client.on("data", (data) => {
        if (data.includes("GET /containers/json")) lists += 1;
        if (lists === 2) client.destroy();
      });
      for (const [from, to] of [[client, engine] as const, [engine, client] as const]) {
        from.on("error", () => to.destroy());
        from.pipe(to);
      }
    });
    proxy.listen(socket);
    await once(proxy, "listening");
    try {
      const plan = await planEmpty(
        contextWith([engineSettings(host, { name: "fragile", socket }), engineSettings(host)]),
      );
      assert.deepEqual(
        plan.changes?.map(({ container }) => container?.engine),
        ["ace"],
      );
      assert.deepEqual(
        plan.errors.map(({ path, code }) => [path, code]),
        [["fragile", "unavailable"]],
      );
    } finally {
      proxy.close();
    }
  });
});
