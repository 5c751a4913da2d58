import assert from "node:assert/strict";

import fc from "fast-check";

import {
  judgeIdle,
  judgeUse,
  type EngineContainer,
  type IdleMemory,
  type Occupation,
} from "../../../shared/caches/engine/idle.ts";
import { sayIdleness } from "../../../shared/caches/engine/idle-words.ts";
import type { OrchestratorView } from "../../../shared/caches/engine/orchestrator-client.ts";
import { readEngines, readStreams } from "../../../shared/caches/engine/orchestrator.ts";
import { CacheOpsError } from "../../../shared/index.ts";
import { engineLine, streamLine, type EngineLine, type StreamLine } from "../../support/orchestrator.ts";
import { CONTAINER, OTHER, OURS, STRANGER } from "./engine-place.ts";

const NOW = Date.parse("2026-11-21T12:00:00Z");
const NO_GRACE = { graceMs: 0, maxGapMs: 0 };
const GRACE = { graceMs: 30_000, maxGapMs: 20_000 };

function viewOf(
  engines: readonly EngineLine[],
  streams: readonly StreamLine[],
  at = NOW,
  skewMs = 0,
): OrchestratorView {
  const [ours, theirs] = [readEngines(engines, skewMs), readStreams(streams, skewMs)];
  assert.ok("entries" in ours && "entries" in theirs);
  return { askedAt: at, answeredAt: at, base: "", engines: ours.entries, streams: theirs.entries };
}

const stateOf = (view: OrchestratorView, container: EngineContainer = CONTAINER) =>
  judgeIdle(container, view, undefined, NO_GRACE).idleness;

const kindsOf = (view: OrchestratorView): Occupation["kind"][] => {
  const idleness = stateOf(view);
  return idleness.state === "busy" ? idleness.by.map(({ kind }) => kind) : [];
};

const BOTH = [engineLine(OURS), engineLine(OTHER, { port: 6879 })];
const iso = (ms: number) => new Date(ms).toISOString();

describe("a container is idle", () => {
  const cases: readonly (readonly [string, readonly EngineLine[], readonly StreamLine[]])[] = [
    ["when there are no streams", BOTH, []],
    ["when its streams have ended", BOTH, [streamLine("s", "ended", OURS), streamLine("t", "ended", OURS)]],
    ["when streams are on others", BOTH, [streamLine("s", "started", OTHER), streamLine("t", "prebuf", OTHER)]],
    ["when a stream is on one the orchestrator does not list", BOTH, [streamLine("s", "started", STRANGER)]],
    ["when a stream is on the short id of another", BOTH, [streamLine("s", "started", OTHER.slice(0, 12))]],
    [
      "when a stream names another by its name",
      BOTH,
      [streamLine("s", "started", null, { engine_name: "engine-b2b2" })],
    ],
    ["when a stream names the port of another", BOTH, [streamLine("s", "started", "127.0.0.1:6879")]],
    ["when streams that ended have no container", BOTH, [streamLine("s", "ended", null)]],
    [
      "when the listed streams of the engine have ended",
      [engineLine(OURS, { streams: ["s"] })],
      [streamLine("s", "ended", OURS)],
    ],
    ["when it is counted to have a stream that is nowhere", [engineLine(OURS, { stream_count: 1 })], []],
    ["when it is known by its short id", [engineLine(OURS.slice(0, 12))], []],
    ["when it is known by its port on the host", [engineLine("10.0.0.2:19001")], []],
    ["when it is known by its name", [engineLine("engine-a1a1")], []],
    ["when another is draining", [engineLine(OURS), engineLine(OTHER, { draining: true })], []],
    [
      "when what may be missing is null",
      [engineLine(OURS, { draining: null, streams: null, monitor_count: null, last_stream_usage: null })],
      [],
    ],
    ["when it was never used by Go's clock", [engineLine(OURS, { last_assigned_at: "0001-01-01T00:00:00Z" })], []],
  ];
  for (const [what, engines, streams] of cases) {
    it(what, () => assert.equal(stateOf(viewOf(engines, streams)).state, "idle"));
  }
});

describe("a container is busy", () => {
  const anything = [
    "started",
    "prebuf",
    "dl",
    "buf",
    "Ended",
    "ENDED",
    " ended",
    "finished",
    "stopped",
    "unknown",
    "0",
  ];
  const cases: readonly (readonly [string, Occupation["kind"], readonly EngineLine[], readonly StreamLine[]])[] = [
    ...anything.map(
      (status) => [`while a stream of it is "${status}"`, "stream", BOTH, [streamLine("s", status, OURS)]] as const,
    ),
    [
      "by a stream that is ended by its time, and not by its status",
      "stream",
      BOTH,
      [streamLine("s", "started", OURS, { ended_at: "2025-01-01T00:00:00Z" })],
    ],
    ["by a stream on its short id", "stream", BOTH, [streamLine("s", "started", OURS.slice(0, 12))]],
    ["by a stream on its name", "stream", BOTH, [streamLine("s", "started", "engine-a1a1")]],
    ["by a stream on its port on the host", "stream", BOTH, [streamLine("s", "started", "localhost:19001")]],
    ["by a stream on its port in the container", "stream", BOTH, [streamLine("s", "started", "172.17.0.2:6878")]],
    [
      "by a stream on the port the orchestrator knows",
      "stream",
      [engineLine(OURS, { port: 7000 })],
      [streamLine("s", "started", "vpn:7000")],
    ],
    ["by a stream with its engine_id alone", "stream", BOTH, [streamLine("s", "started", null, { engine_id: OURS })]],
    [
      "by a stream with its container_name alone",
      "stream",
      BOTH,
      [streamLine("s", "started", null, { container_name: "engine-a1a1" })],
    ],
    [
      "by a stream whose ids contradict each other",
      "stream",
      BOTH,
      [streamLine("s", "started", OTHER, { engine_id: OURS })],
    ],
    [
      "by one of many streams",
      "stream",
      BOTH,
      [streamLine("r", "ended", OURS), streamLine("s", "started", OTHER), streamLine("t", "started", OURS)],
    ],
    ["by a stream though it is not listed", "stream", [engineLine(OTHER)], [streamLine("s", "started", OURS)]],
    ["by a stream that only its engine lists", "stream", [engineLine(OURS, { streams: ["s"] })], []],
    ["while any stream is allocating, without container", "allocating", BOTH, [streamLine("s", "allocating", null)]],
    ["while any stream is allocating, with an empty one", "allocating", BOTH, [streamLine("s", "allocating", "")]],
    [
      "while any stream is allocating, with null",
      "allocating",
      BOTH,
      [streamLine("s", "allocating", null, { container_id: null })],
    ],
    ["while any stream is allocating, even on another", "allocating", BOTH, [streamLine("s", "allocating", OTHER)]],
    ["while a stream is to leave another", "allocating", BOTH, [streamLine("s", "pending_failover", OTHER)]],
    ["while a stream is on no container", "unattributed", BOTH, [streamLine("s", "started", null)]],
    ["while a stream is on an empty container", "unattributed", BOTH, [streamLine("s", "started", "")]],
    ["while a stream is on an address nobody has", "unattributed", BOTH, [streamLine("s", "started", "10.0.0.9:6999")]],
    ["while a stream is on a name nobody has", "unattributed", BOTH, [streamLine("s", "started", "engine")]],
    ["while it is draining", "draining", [engineLine(OURS, { draining: true })], []],
    [
      "while one of two lines says that it is draining",
      "draining",
      [engineLine(OURS), engineLine(OURS, { draining: true })],
      [],
    ],
    ["while it is monitored", "monitor", [engineLine(OURS, { monitor_count: 1 })], []],
    [
      "while it is monitored, by the other name",
      "monitor",
      [engineLine(OURS, { monitor_count: 0, monitor_stream_count: 2 })],
      [],
    ],
  ];
  for (const [what, kind, engines, streams] of cases) {
    it(what, () => assert.deepEqual(kindsOf(viewOf(engines, streams)), [kind]));
  }

  it("by everything that keeps it so, each told", () => {
    const engines = [engineLine(OURS, { draining: true, monitor_count: 1 })];
    const view = viewOf(engines, [streamLine("s", "started", OURS), streamLine("t", "allocating", null)]);
    assert.deepEqual(kindsOf(view), ["stream", "allocating", "draining", "monitor"]);
  });
});

describe("a container is unknown, and never idle", () => {
  const cases: readonly (readonly [string, readonly EngineLine[]])[] = [
    ["when the orchestrator lists none", []],
    ["when it lists others", [engineLine(OTHER)]],
    ["when another has its name by now", [engineLine(OTHER, { container_name: CONTAINER.name })]],
    ["when only the port in the container is the same", [engineLine("10.0.0.2:6878")]],
    ["when an id only begins like its own", [engineLine(OURS.slice(0, 8))]],
    ["when an id is its own and more", [engineLine(`${OURS}00`)]],
  ];
  for (const [what, engines] of cases) {
    it(what, () => {
      const idleness = stateOf(viewOf(engines, []));
      assert.ok(idleness.state === "unknown" && idleness.code === "not_found" && idleness.hint !== undefined);
    });
  }

  it("whatever kept the orchestrator from answering, with what was remembered kept as it was", () => {
    const memory = { container: OURS, lookedAt: NOW, quietSince: NOW - 60_000 };
    for (const code of ["unavailable", "forbidden", "internal"] as const) {
      const judged = judgeIdle(CONTAINER, new CacheOpsError(code, "why"), memory, NO_GRACE);
      assert.deepEqual(judged, { idleness: { state: "unknown", code, why: "why" }, memory });
    }
  });
});

describe("the grace period", () => {
  const zone = process.env["TZ"];
  before(() => {
    process.env["TZ"] = "Asia/Tokyo";
  });
  after(() => {
    if (zone === undefined) delete process.env["TZ"];
    else process.env["TZ"] = zone;
  });

  const judgeAt = (
    seconds: number,
    previous?: IdleMemory,
    streams: readonly StreamLine[] = [],
    engine = {},
    skewMs = 0,
  ) => judgeIdle(CONTAINER, viewOf([engineLine(OURS, engine)], streams, NOW + seconds * 1000, skewMs), previous, GRACE);
  /** States at these seconds, each look remembering those before. */
  const statesAt = (looks: readonly (readonly [seconds: number, streams?: readonly StreamLine[]])[]) => {
    let memory: IdleMemory | undefined;
    return looks.map(([seconds, streams]) => {
      const judged = judgeAt(seconds, memory, streams);
      ({ memory } = judged);
      return judged.idleness.state;
    });
  };

  it("begins with the first look", () => {
    const { idleness, memory } = judgeAt(0);
    assert.deepEqual(idleness, { state: "busy", by: [{ kind: "grace", until: NOW + 30_000 }] });
    assert.deepEqual(memory, { container: OURS, lookedAt: NOW, quietSince: NOW });
  });

  it("is over when every look for so long saw nothing", () => {
    assert.deepEqual(statesAt([[0], [10], [20], [29], [30], [40]]), ["busy", "busy", "busy", "busy", "idle", "idle"]);
  });

  it("begins anew after a stream", () => {
    const playing = [streamLine("s", "started", OURS)];
    assert.deepEqual(statesAt([[0], [10], [20, playing], [30], [40], [59], [60]]), [
      ...Array<string>(6).fill("busy"),
      "idle",
    ]);
  });

  it("begins anew after a time in which nobody looked", () => {
    assert.deepEqual(statesAt([[0], [15], [36], [50], [66]]), ["busy", "busy", "busy", "busy", "idle"]);
  });

  it("begins anew when the clock went back", () => {
    assert.deepEqual(statesAt([[0], [20], [40], [10], [30], [40]]), ["busy", "busy", "idle", "busy", "busy", "idle"]);
  });

  it("is not begun by what is remembered of another container", () => {
    const foreign = { container: OTHER, lookedAt: NOW, quietSince: NOW - 60_000 };
    assert.equal(judgeAt(0, foreign).idleness.state, "busy");
  });

  it("begins anew for a container that the orchestrator did not know for a while", () => {
    const known = { container: OURS, lookedAt: NOW, quietSince: NOW - 60_000 };
    const { memory } = judgeIdle(CONTAINER, viewOf([engineLine(OTHER)], [], NOW + 5000), known, GRACE);
    assert.equal(judgeAt(10, memory).idleness.state, "busy");
    assert.equal(judgeAt(10, known).idleness.state, "idle");
  });

  it("goes on over a look that failed, when the next is soon enough", () => {
    const { memory } = judgeAt(0);
    const failed = judgeIdle(CONTAINER, new CacheOpsError("unavailable", "why"), memory, GRACE);
    assert.equal(failed.idleness.state, "unknown");
    const { memory: later } = judgeAt(20, failed.memory);
    assert.equal(judgeAt(30, later).idleness.state, "idle");
  });

  const quiet = { container: OURS, lookedAt: NOW, quietSince: NOW - 3_600_000 };
  it("counts from what was remembered where nothing else is known", () => {
    assert.deepEqual(judgeAt(0, quiet).idleness, { state: "idle", since: NOW - 3_600_000 });
  });

  const marks: readonly (readonly [string, Record<string, unknown>, readonly StreamLine[]])[] = [
    ["a stream of it ended, which no look saw", {}, [streamLine("s", "ended", OURS, { ended_at: iso(NOW - 10_000) })]],
    ["the orchestrator came to know it", { first_seen: iso(NOW - 10_000) }, []],
    ["it was used", { last_stream_usage: iso(NOW - 10_000) }, []],
    ["it was assigned", { last_assigned_at: iso(NOW - 10_000) }, []],
    ["it was used, with an offset", { last_stream_usage: "2026-11-21T14:59:50.123456+03:00" }, []],
    ["it was used, without a zone", { last_stream_usage: "2026-11-21T11:59:50.1" }, []],
  ];
  for (const [what, engine, streams] of marks) {
    it(`counts from when ${what}`, () => {
      assert.equal(judgeAt(0, quiet, streams, engine).idleness.state, "busy");
      const later = { ...quiet, lookedAt: NOW + 20_500 };
      assert.equal(judgeAt(20.5, later, streams, engine).idleness.state, "idle");
    });
  }

  it("takes the orchestrator's times by the orchestrator's clock", () => {
    // Its clock is an hour behind: it says eleven o'clock where it is twelve.
    const engine = { last_stream_usage: iso(NOW - 3_600_000 - 10_000) };
    assert.equal(judgeAt(0, quiet, [], engine, -3_600_000).idleness.state, "busy");
    assert.equal(judgeAt(0, quiet, [], engine).idleness.state, "idle");
  });

  it("is not over while a time lies in the future, or is none", () => {
    for (const ended_at of [iso(NOW + 86_400_000), "2026-13-45T00:00:00Z"]) {
      const { idleness, memory } = judgeAt(0, quiet, [streamLine("s", "ended", OURS, { ended_at })]);
      assert.equal(idleness.state, "busy");
      // As if it had ended just now: once it is forgotten there, it is no longer than that here.
      assert.equal(memory?.quietSince, NOW);
    }
  });

  it("does not count what ended elsewhere", () => {
    const ended = streamLine("s", "ended", OTHER, { ended_at: iso(NOW - 1000) });
    assert.equal(judgeAt(0, quiet, [ended]).idleness.state, "idle");
  });
});

describe("without an orchestrator", () => {
  const judgeAt = (at: number, use: Parameters<typeof judgeUse>[1], previous?: IdleMemory) =>
    judgeUse(OURS, use, { askedAt: at, answeredAt: at }, previous, GRACE);
  const chain = (...looks: readonly (readonly [number, Parameters<typeof judgeUse>[1]["state"]])[]) => {
    let memory: IdleMemory | undefined;
    const states: string[] = [];
    for (const [seconds, state] of looks) {
      const use =
        state === "idle"
          ? ({ state } as const)
          : state === "busy"
            ? ({ state, rule: "open_socket", by: "a client of port 6878 (10.0.0.5:54321)" } as const)
            : ({ state, reason: "its sockets cannot be seen" } as const);
      const judged = judgeAt(NOW + seconds * 1000, use, memory);
      memory = judged.memory;
      states.push(sayIdleness(judged.idleness, NOW + seconds * 1000));
    }
    return states.at(-1);
  };

  it("a container is idle once it was seen so for the grace period", () => {
    assert.equal(chain([0, "idle"], [20, "idle"]), "busy: idle, but not for long: 10s to go");
    assert.equal(chain([0, "idle"], [20, "idle"], [30, "idle"]), "idle for 30s");
  });

  it("the grace period begins anew after a use, and after a time in which nobody looked", () => {
    assert.equal(chain([0, "idle"], [20, "busy"]), "busy: a client of port 6878 (10.0.0.5:54321)");
    assert.match(chain([0, "idle"], [20, "busy"], [30, "idle"]) ?? "", /30s to go$/);
    assert.match(chain([0, "idle"], [21, "idle"], [41, "idle"]) ?? "", /10s to go$/);
  });

  it("what cannot be seen is not idle, and vouches for nothing", () => {
    assert.equal(chain([0, "idle"], [20, "idle"], [40, "unknown"]), "unknown: its sockets cannot be seen");
    assert.match(chain([0, "idle"], [20, "unknown"], [40, "idle"]) ?? "", /30s to go$/);
    const others = { container: OTHER, lookedAt: NOW, quietSince: 0 };
    assert.equal(judgeAt(NOW, { state: "idle" }, others).idleness.state, "busy");
  });
});

describe("a judgement in words", () => {
  const said = (engines: readonly EngineLine[], streams: readonly StreamLine[]) =>
    sayIdleness(stateOf(viewOf(engines, streams, NOW)), NOW + 120_000);

  it("says since when a container is idle, or what keeps it from being so", () => {
    assert.equal(said(BOTH, []), "idle for 2m");
    assert.equal(
      said([engineLine(OURS, { draining: true, monitor_count: 1 })], []),
      "busy: draining, 1 monitoring session",
    );
    assert.equal(said(BOTH, [streamLine("abc", "started", OURS)]), "busy: stream abc (started)");
    assert.match(
      said(BOTH, [streamLine("abc", "allocating", null)]),
      /^busy: stream abc \(allocating\) .* perhaps this one$/,
    );
    assert.match(said(BOTH, [streamLine("abc", "started", null)]), /not told, perhaps this one$/);
    assert.match(said([], []), /^unknown: the orchestrator does not know this container/);
    const { idleness } = judgeIdle(CONTAINER, viewOf(BOTH, []), undefined, GRACE);
    assert.equal(sayIdleness(idleness, NOW + 10_000), "busy: idle, but not for long: 20s to go");
  });

  it("shows names of streams on one short line, without what would move the cursor", () => {
    const words = said(BOTH, [streamLine(`\u202e\n${"x".repeat(90)}`, "\u001b[2J", OURS)]);
    assert.equal(words, `busy: stream \\u{202e}\\n${"x".repeat(14)}… (\\u{1b}[2J)`);
  });
});

describe("whatever the orchestrator says", () => {
  const status = fc.oneof(
    fc.constantFrom("started", "ended", "allocating", "prebuf", "pending_failover"),
    fc.string({ minLength: 1 }),
  );
  const container = fc.constantFrom(
    OURS,
    OTHER,
    STRANGER,
    OURS.slice(0, 12),
    "",
    null,
    "engine-a1a1",
    "h:19001",
    "h:1",
    "x",
  );
  const stream = fc.record({ id: fc.string({ minLength: 1 }), status, container_id: container });
  const engine = fc.record({
    container_id: fc.constantFrom(OURS, OTHER, STRANGER),
    draining: fc.boolean(),
    streams: fc.array(fc.string(), { maxLength: 2 }),
    stream_count: fc.nat(2),
  });

  it("a container is only idle while it is listed, not draining, and no stream that has not ended may be its own", () => {
    let idle = 0;
    fc.assert(
      fc.property(fc.array(engine, { maxLength: 4 }), fc.array(stream, { maxLength: 4 }), (engines, streams) => {
        if (stateOf(viewOf(engines, streams)).state !== "idle") return;
        idle += 1;
        assert.ok(engines.some((one) => one.container_id === OURS));
        assert.ok(engines.every((one) => one.container_id !== OURS || !one.draining));
        const open = streams.filter((one) => one.status !== "ended");
        assert.ok(open.every((one) => one.container_id === OTHER || one.container_id === STRANGER));
        assert.ok(open.every((one) => !["allocating", "pending_failover"].includes(one.status)));
      }),
      { numRuns: 5000 },
    );
    assert.ok(idle > 50, `idle only ${idle} times`);
  });
});
