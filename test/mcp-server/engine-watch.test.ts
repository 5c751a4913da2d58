import assert from "node:assert/strict";

import { watchEngines, type EngineWatch } from "../../mcp-server/engine-watch.ts";
import { countStreams } from "../../mcp-server/streams.ts";
import { makeWork } from "../../mcp-server/work.ts";
import { CacheOpsError, type CarryOut } from "../../shared/index.ts";
import { makeContext } from "../support/context.ts";
import { startDockerList } from "../support/docker-list.ts";
import { engineLine, startOrchestrator, streamLine, type StandIn } from "../support/orchestrator.ts";

const [A, B, C] = ["a1", "b2", "c3"].map((byte) => byte.repeat(32)) as [string, string, string];
/** The host's port of {@link B}. */
const PORT = 19_001;

const watches: EngineWatch[] = [];
afterEach(async () => {
  for (const watch of watches.splice(0)) await watch.stop();
});

const until = async (is: () => boolean) => {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, 2));
};

/** What a planning operation answers, and what apply does, as far as it matters here. */
const PLAN = {
  plan: "plan-1",
  digest: "d",
  expiresAt: "2030-01-01T00:00:00Z",
  acknowledge: "empty 1 cache",
  undoUntil: null,
  actions: 1,
  entries: 1,
  caches: 1,
  bytes: 10,
  byProblem: {},
  kept: {},
  skipped: [],
  blocked: [],
  errors: [],
};
const REPORT = {
  run: "run-1",
  plan: "plan-1",
  undoes: null,
  status: "complete",
  startedAt: "2030-01-01T00:00:00Z",
  endedAt: "2030-01-01T00:00:01Z",
  entries: 1,
  caches: 1,
  files: 1,
  reclaimedBytes: 10,
  predicted: { entries: 1, caches: 1, bytes: 10 },
  refused: [],
  notTried: 0,
  undoUntil: null,
};

interface Asked {
  readonly operation: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** A watch over a stand-in on which A, B and C play, whose plans are of this status. */
async function makeScene(
  parts: {
    readonly status?: string;
    readonly settings?: Record<string, unknown>;
    readonly before?: () => unknown;
  } = {},
) {
  const standIn = await startOrchestrator();
  standIn.engines = [A, B, C].map((id) => engineLine(id));
  standIn.streams = [A, B, C].map((id, index) => streamLine(`s${index}`, "started", id));
  // Without a pause between two looks, which the configuration would not allow.
  const docker = await startDockerList([{ id: A }, { id: B, labels: { "host.http_port": String(PORT) } }, { id: C }]);
  const engine = {
    name: "ace",
    socket: docker.endpoint,
    orchestrator: { url: standIn.url, timeLimit: "5s" },
    poll: "0s",
    onStreamEnd: true,
  };
  const context = makeContext({ config: { engines: [{ ...engine, ...parts.settings }] } });
  const asked: Asked[] = [];
  const notes: { readonly message: string; readonly fields: Readonly<Record<string, unknown>> }[] = [];
  const signals: AbortSignal[] = [];
  const carryOut: CarryOut = async ({ name }, input, { signal }) => {
    asked.push({ operation: name, input: input as Asked["input"] });
    signals.push(signal);
    await parts.before?.();
    return name === "apply" ? REPORT : { ...PLAN, status: parts.status ?? "ready" };
  };
  const watch = watchEngines({
    contextFor: (signal) => ({ ...context, signal }),
    log: (message, fields = {}) => notes.push({ message, fields }),
    work: makeWork(),
    carryOut,
  });
  watches.push(watch);
  const looks = async (number: number) => {
    const { length } = standIn.asked;
    await until(() => standIn.asked.length >= length + 2 * number);
  };
  return { standIn, docker, asked, notes, signals, watch, looks };
}

const end = ({ streams }: StandIn, ...ids: readonly string[]) => {
  for (const stream of streams) if (ids.includes(String(stream["container_id"]))) stream.status = "ended";
};

describe("the watch over stream engines", () => {
  it("plans to empty the containers whose streams ended, and applies exactly that plan", async () => {
    const scene = await makeScene();
    await scene.looks(2);
    assert.deepEqual(scene.asked, []);
    end(scene.standIn, B);
    await until(() => scene.asked.length === 2);
    assert.deepEqual(scene.asked, [
      { operation: "empty", input: { engine: ["ace"], container: [B] } },
      { operation: "apply", input: { plan: "plan-1", digest: "d" } },
    ]);
    await until(() => scene.notes.length === 1);
    assert.equal(scene.notes[0]?.fields["outcome"], "complete");
    await scene.looks(3);
    assert.equal(scene.asked.length, 2, "an end is an end once");
  });

  for (const status of ["empty", "blocked"]) {
    it(`applies no plan that is ${status}`, async () => {
      const scene = await makeScene({ status });
      await scene.looks(2);
      end(scene.standIn, A);
      await until(() => scene.notes.length === 1);
      assert.deepEqual(
        scene.asked.map(({ operation }) => operation),
        ["empty"],
      );
    });
  }

  it("joins what ends while it is at work, and names every container once", async () => {
    let release = () => undefined as unknown;
    const held = new Promise((resolve) => (release = () => resolve(undefined)));
    const scene = await makeScene({ status: "empty", before: () => held });
    await scene.looks(2);
    end(scene.standIn, A);
    await until(() => scene.asked.length === 1);
    end(scene.standIn, B);
    await scene.looks(2);
    end(scene.standIn, C);
    scene.standIn.streams.push(streamLine("again", "ended", B));
    await scene.looks(2);
    assert.ok(scene.asked.length < 2, "one after the other");
    release();
    await until(() => scene.asked.length === 2);
    assert.deepEqual(scene.asked.at(-1)?.input, { engine: ["ace"], container: [B, C] });
  });

  it("knows a container by short id, name and address, and leaves alone what is of others or never was anywhere", async () => {
    const scene = await makeScene({ status: "empty" });
    scene.standIn.streams = [
      streamLine("nowhere", "allocating", null),
      streamLine("elsewhere", "started", "d4".repeat(32)),
      streamLine("short", "started", A.slice(0, 12)),
      streamLine("address", "started", `127.0.0.1:${PORT}`),
      streamLine("name", "started", null, { container_name: "engine-c3c3" }),
    ];
    await scene.looks(2);
    scene.standIn.streams = scene.standIn.streams.slice(2);
    await scene.looks(2);
    assert.ok(scene.asked.length === 0);
    scene.standIn.streams = [];
    await until(() => scene.asked.length === 1);
    assert.deepEqual(scene.asked[0]?.input, { engine: ["ace"], container: [A, B, C] });
  });

  it("has the plan say what is wrong when the container engine does not answer", async () => {
    const scene = await makeScene({ status: "empty" });
    await scene.looks(2);
    await scene.docker.stop();
    end(scene.standIn, A);
    await until(() => scene.asked.length === 1);
    assert.deepEqual(scene.asked[0]?.input, { engine: ["ace"] });
  });

  it("logs an orchestrator that is down once, however long that is, and takes no silence for an end", async () => {
    const scene = await makeScene();
    await scene.looks(2);
    scene.standIn.faults.set(
      "streams",
      Array.from({ length: 30 }, () => ({ status: 403 })),
    );
    await until(() => scene.standIn.faults.get("streams")?.length === 0);
    await until(() => scene.notes.length === 2);
    assert.deepEqual(
      scene.notes.map(({ message, fields }) => [message, fields["code"]]),
      [
        ["orchestrator in trouble", "forbidden"],
        ["orchestrator answers again", undefined],
      ],
    );
    assert.deepEqual(scene.asked, []);
    end(scene.standIn, A);
    await until(() => scene.asked.length === 2);
  });

  it("goes on after an emptying that failed, and says why it did", async () => {
    let count = 0;
    const before = () => {
      count += 1;
      if (count === 1) throw new CacheOpsError("unavailable", "no Docker there");
    };
    const scene = await makeScene({ before });
    await scene.looks(2);
    end(scene.standIn, A);
    await until(() => scene.notes.length === 1);
    assert.deepEqual(
      [scene.notes[0]?.fields["outcome"], scene.notes[0]?.fields["reason"]],
      ["failed", "no Docker there"],
    );
    end(scene.standIn, B);
    await until(() => scene.asked.length === 3);
  });

  it("stops what it does at its next safe point, and is over only when that is", async () => {
    let release = () => undefined as unknown;
    const held = new Promise((resolve) => (release = () => resolve(undefined)));
    const scene = await makeScene({ before: () => held });
    await scene.looks(2);
    end(scene.standIn, A);
    await until(() => scene.asked.length === 1);
    let isOver = false;
    const stopped = scene.watch.stop().then(() => (isOver = true));
    assert.equal(scene.signals[0]?.aborted, true);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isOver, false);
    release();
    await stopped;
    const { length } = scene.standIn.asked;
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(scene.standIn.asked.length, length);
  });

  it("asks nobody where streams that end are no reason", async () => {
    const { watch, standIn } = await makeScene({ settings: { onStreamEnd: false } });
    await watch.stop();
    assert.deepEqual(standIn.asked, []);
  });
});

describe("the number of streams", () => {
  const engineAt = (name: string, { url }: StandIn) => ({ name, orchestrator: { url, timeLimit: "5s" } });

  it("is that of all orchestrators, each counted once, without those that ended", async () => {
    const [one, two] = [await startOrchestrator("2025"), await startOrchestrator("go-8083")];
    one.streams = [streamLine("a", "started", A), streamLine("b", "ended", B)];
    two.streams = [streamLine("c", "prebuf", C), streamLine("d", "allocating", null)];
    const engines = [engineAt("one", one), engineAt("same", one), engineAt("two", two)];
    assert.equal(await countStreams(makeContext({ config: { engines } })), 3);
    assert.equal(one.asked.filter((line) => line.includes("/streams")).length, 1);
  });

  it("is not known where nobody can be asked, or one of them does not answer", async () => {
    const [one, two] = [await startOrchestrator(), await startOrchestrator()];
    two.faults.set("engines", [{ status: 403 }]);
    const engines = [engineAt("one", one), engineAt("two", two)];
    const why = await countStreams(makeContext({ config: { engines } }));
    assert.match(String(why), /not known: orchestrator http:\/\/127\.0\.0\.1:\d+: GET .* 403/);
    assert.match(String(await countStreams(makeContext({ config: { engines: [{ name: "plain" }] } }))), /nothing here/);
  });
});
