import assert from "node:assert/strict";

import { judgeIdle, type IdleMemory } from "../../../shared/caches/engine/idle.ts";
import {
  endedBetween,
  judgeByOrchestrator,
  seeOrchestrator,
  settle,
  watchOrchestrator,
  type Sighting,
} from "../../../shared/caches/engine/idle-watch.ts";
import type { OrchestratorClient, OrchestratorView } from "../../../shared/caches/engine/orchestrator-client.ts";
import { engineLine, FLAVOURS, startOrchestrator, streamLine } from "../../support/orchestrator.ts";
import { failsWith } from "../../support/runs.ts";
import { clientOf, CONTAINER, OTHER, OURS } from "./engine-place.ts";

const stops: AbortController[] = [];
const newSignal = () => {
  const stop = new AbortController();
  stops.push(stop);
  return stop.signal;
};

afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

const until = async (is: () => boolean) => {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, 5));
};
const view = (streams: Parameters<typeof streamLine>[]): OrchestratorView => ({
  askedAt: 0,
  answeredAt: 0,
  base: "",
  engines: [],
  streams: streams.map(([id, status, container]) => ({
    id,
    status,
    containers: container === null ? [] : [container],
    endedAt: undefined,
  })),
});

describe("a stream has ended", () => {
  const cases: readonly (readonly [
    string,
    Parameters<typeof streamLine>[],
    Parameters<typeof streamLine>[],
    readonly string[],
  ])[] = [
    ["when it is said to", [["s", "started", OURS]], [["s", "ended", OURS]], ["s"]],
    ["when it is not there any more", [["s", "started", OURS]], [], ["s"]],
    ["on the container it left", [["s", "started", OURS]], [["s", "started", OTHER]], ["s"]],
    ["on the container it lost", [["s", "started", OURS]], [["s", "allocating", null]], ["s"]],
    ["when it began and ended between two looks", [], [["s", "ended", OURS]], ["s"]],
    ["only once", [["s", "ended", OURS]], [["s", "ended", OURS]], []],
    ["not when it was forgotten after its end", [["s", "ended", OURS]], [], []],
    ["not while it goes on in another status", [["s", "prebuf", OURS]], [["s", "started", OURS]], []],
    ["not when it was given a container", [["s", "allocating", null]], [["s", "started", OURS]], []],
    ["not when it begins", [], [["s", "started", OURS]], []],
  ];
  for (const [what, before, after, ended] of cases) {
    it(what, () =>
      assert.deepEqual(
        endedBetween(view(before), view(after)).map(({ id }) => id),
        ended,
      ),
    );
  }
});

describe("watching an orchestrator", () => {
  for (const flavour of FLAVOURS) {
    it(`of the kind ${flavour} tells of the end of a stream, where it played`, async () => {
      const standIn = await startOrchestrator(flavour);
      standIn.engines = [engineLine(OURS)];
      standIn.streams = [streamLine("s", "started", OURS)];
      const signal = newSignal();
      const watch = watchOrchestrator(clientOf(standIn, { signal }), { pollMs: 20 }, { signal });
      const first = await watch.next();
      assert.ok("view" in first.value && first.value.ended.length === 0);
      // The Go one forgets it, the others keep it.
      standIn.streams = flavour.startsWith("go") ? [] : [streamLine("s", "ended", OURS)];
      const { value } = await watch.next();
      assert.ok("view" in value);
      assert.deepEqual(
        value.ended.map(({ id, containers }) => ({ id, containers })),
        [{ id: "s", containers: [OURS] }],
      );
    });
  }

  it("goes on over what fails, and tells of it, and does not take a failure for the end of the streams", async () => {
    const standIn = await startOrchestrator("go-8000");
    standIn.streams = [streamLine("s", "started", OURS)];
    const signal = newSignal();
    const watch = watchOrchestrator(clientOf(standIn, { signal }), { pollMs: 20 }, { signal });
    await watch.next();
    standIn.faults.set("streams", [{ status: 200, body: "{}" }, { status: 401 }]);
    const seen: Sighting[] = [];
    for (let look = 0; look < 4; look += 1) seen.push((await watch.next()).value);
    assert.deepEqual(
      seen.map((sighting) => ("error" in sighting ? sighting.error.code : sighting.ended.length)),
      ["unavailable", "forbidden", 0, 0],
    );
  });

  it("listens again after the orchestrator was gone", async () => {
    const standIn = await startOrchestrator("1.7");
    const signal = newSignal();
    const watch = watchOrchestrator(clientOf(standIn, { signal }), { pollMs: 20 }, { signal });
    await watch.next();
    await until(() => standIn.listeners() === 1);
    await standIn.restart();
    assert.equal(standIn.listeners(), 0);
    await watch.next();
    await watch.next();
    await until(() => standIn.listeners() === 1);
  });

  it("does not wait for the next poll when an event comes", async () => {
    const standIn = await startOrchestrator("go-8000");
    standIn.streams = [streamLine("s", "started", OURS)];
    const signal = newSignal();
    // Without events this would take a day.
    const watch = watchOrchestrator(clientOf(standIn, { signal }), { pollMs: 86_400_000 }, { signal });
    await watch.next();
    const next = watch.next();
    await until(() => standIn.listeners() === 1);
    standIn.streams = [];
    standIn.tell();
    const { value } = await next;
    assert.deepEqual("view" in value && value.ended.map(({ id }) => id), ["s"]);
  });

  it("asks the orchestrators that have no events only once for them", async () => {
    const standIn = await startOrchestrator("2025");
    const signal = newSignal();
    const watch = watchOrchestrator(clientOf(standIn, { signal }), { pollMs: 20 }, { signal });
    for (let look = 0; look < 4; look += 1) await watch.next();
    assert.equal(standIn.asked.filter((asked) => asked.includes("/events/stream")).length, 1);
  });

  it("does not take signs of life for events", async () => {
    const standIn = await startOrchestrator("go-8000");
    let events = 0;
    const listening = clientOf(standIn, { signal: newSignal() }).listen("/api/v1", () => {
      events += 1;
    });
    await until(() => events === 1);
    standIn.keepAlive();
    await new Promise((resolve) => setTimeout(resolve, 20));
    standIn.keepAlive();
    await standIn.stop();
    await until(() => listening.state() === "ended");
    assert.equal(events, 1);
    await listening.close();
  });

  it("stops listening when nobody watches any more", async () => {
    const standIn = await startOrchestrator("go-8000");
    const signal = newSignal();
    const watch = watchOrchestrator(clientOf(standIn, { signal }), { pollMs: 20 }, { signal });
    await watch.next();
    await until(() => standIn.listeners() === 1);
    await watch.return(undefined as never);
    await until(() => standIn.listeners() === 0);
  });

  it("stops when the caller gives up", async () => {
    const standIn = await startOrchestrator("go-8000");
    const stop = new AbortController();
    const watch = watchOrchestrator(clientOf(standIn, { signal: stop.signal }), { pollMs: 40_000 }, stop);
    await watch.next();
    const next = watch.next();
    stop.abort();
    await assert.rejects(next, failsWith("interrupted"));
    await until(() => standIn.listeners() === 0);
  });
});

describe("settling", () => {
  const TERMS = { pollMs: 1, graceMs: 30_000, maxGapMs: 20_000 };
  /** A clock that goes on ten seconds a look. */
  const ticking = (client: OrchestratorClient, start = Date.now()) => {
    let now = start;
    const context = { now: () => now, signal: newSignal(), progress: () => undefined };
    const slow: OrchestratorClient = {
      ...client,
      look: async () => {
        const seen = await client.look();
        now += 10_000;
        return { ...seen, askedAt: now, answeredAt: now };
      },
    };
    return { slow, context };
  };
  const settled = async (change: (look: number, streams: string[]) => void = () => undefined, engine = {}) => {
    const standIn = await startOrchestrator("go-8000");
    standIn.engines = [engineLine(OURS, engine)];
    let looks = 0;
    const { slow, context } = ticking(clientOf(standIn));
    const counted: OrchestratorClient = {
      ...slow,
      look: () => {
        const streams: string[] = [];
        change(looks, streams);
        looks += 1;
        standIn.streams = streams.map((id) => streamLine(id, "started", OURS));
        return slow.look();
      },
    };
    const memories = new Map<string, IdleMemory>();
    const found = await settle(() => judgeByOrchestrator([CONTAINER], counted, memories, TERMS), TERMS, context);
    return { state: found.get(OURS)?.state, looks, memories };
  };

  it("waits until the container was seen idle for the grace period", async () => {
    const { state, looks, memories } = await settled();
    assert.deepEqual([state, looks], ["idle", 4]);
    assert.equal(typeof memories.get(OURS)?.quietSince, "number");
  });

  it("does not wait while a stream plays, and ends at once when one begins", async () => {
    const first = await settled((_, streams) => void streams.push("s"));
    assert.deepEqual([first.state, first.looks], ["busy", 1]);
    const later = await settled((look, streams) => void (look === 2 && streams.push("s")));
    assert.deepEqual([later.state, later.looks], ["busy", 3]);
  });

  it("gives up after three grace periods in which it always just ended", async () => {
    const { state, looks } = await settled(undefined, { last_stream_usage: "2099-01-01T00:00:00Z" });
    assert.deepEqual([state, looks], ["busy", 10]);
  });

  it("knows nothing when the orchestrator stops to answer", async () => {
    const standIn = await startOrchestrator("go-8000");
    standIn.engines = [engineLine(OURS)];
    const { slow, context } = ticking(clientOf(standIn));
    standIn.faults.set("engines", ["none", { status: 200, body: "[" }]);
    const found = await settle(() => judgeByOrchestrator([CONTAINER], slow, new Map(), TERMS), TERMS, context);
    assert.equal(found.get(OURS)?.state, "unknown");
  });

  it("begins anew when the orchestrator was started again and has forgotten all streams", async () => {
    const standIn = await startOrchestrator("go-8000");
    standIn.engines = [engineLine(OURS)];
    const client = clientOf(standIn);
    const judge = async () => {
      const quiet = { container: OURS, lookedAt: Date.now(), quietSince: Date.now() - 3_600_000 };
      return judgeIdle(CONTAINER, await seeOrchestrator(client), quiet, { graceMs: 30_000, maxGapMs: 20_000 }).idleness;
    };
    assert.equal((await judge()).state, "idle");
    standIn.streams = [streamLine("s", "started", OURS)];
    await standIn.restart();
    const idleness = await judge();
    assert.deepEqual(idleness.state === "busy" && idleness.by.map(({ kind }) => kind), ["grace"]);
  });
});
