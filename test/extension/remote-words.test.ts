import assert from "node:assert/strict";

import {
  channelText,
  containerLines,
  containerText,
  enginesText,
  isMoving,
  isWaiting,
  serverFacts,
  serverText,
  sizeText,
  taskText,
} from "../../extension/caches/remote-words.ts";
import type { Occupation } from "../../shared/caches/engine/idle.ts";
import { sayIdleness } from "../../shared/caches/engine/idle-words.ts";
import { containerRow, NOW, serverRow } from "./remote-rows.ts";

const MINUTE_MS = 60_000;
const before = (milliseconds: number) => new Date(NOW - milliseconds).toISOString();

describe("the words for the cache of a container", () => {
  it("say when it was emptied last and how large it is, as its orchestrator does", () => {
    const at = (milliseconds: number | null) =>
      containerText(containerRow({ lastCacheCleanup: milliseconds === null ? null : before(milliseconds) }), NOW);
    assert.equal(at(null), "Cache Cleanup: Never · Cache Size: 10.00 MB");
    assert.equal(at(20_000), "Cache Cleanup: Just now · Cache Size: 10.00 MB");
    assert.equal(at(2 * MINUTE_MS), "Cache Cleanup: 2m ago · Cache Size: 10.00 MB");
    assert.equal(at(3 * 60 * MINUTE_MS), "Cache Cleanup: 3h ago · Cache Size: 10.00 MB");
    assert.equal(at(49 * 60 * MINUTE_MS), "Cache Cleanup: 2d ago · Cache Size: 10.00 MB");
  });

  it("give sizes two decimals, and N/A only to what nobody knows", () => {
    assert.deepEqual([null, 0, 1023, 1024, 524_288, 1_572_864, 10 * 1024 ** 3, 3 * 1024 ** 5].map(sizeText), [
      "N/A",
      "0 B",
      "1023 B",
      "1.00 KB",
      "512.00 KB",
      "1.50 MB",
      "10.00 GB",
      "3072.00 TB",
    ]);
  });

  it("tell absent, unknown and measured empty apart", () => {
    const texts = (["absent", "unknown", "measured"] as const).map((state) =>
      state === "measured"
        ? containerRow({ bytes: 0, entries: 0 })
        : containerRow({ state, bytes: null, entries: null }),
    );
    assert.deepEqual(
      texts.map((row) => containerText(row, NOW)),
      [
        "no cache directory · Cache Cleanup: Never · Cache Size: N/A",
        "Cache Cleanup: Never · Cache Size: N/A",
        "empty · Cache Cleanup: Never · Cache Size: 0 B",
      ],
    );
    const [absent, unknown, empty] = texts.map((row) => containerLines(row).join("\n"));
    assert.match(absent ?? "", /There is no such directory/);
    assert.match(unknown ?? "", /cannot be looked at/);
    assert.match(empty ?? "", /there, and empty/);
  });

  it("say of one that is in use, or may be, how many streams play and why, and that it is left alone", () => {
    const busy = containerRow({ use: "busy", streams: 2, because: "busy: stream abc (started), stream def (started)" });
    assert.equal(
      containerText(busy, NOW),
      "busy, 2 streams · Cache Cleanup: Never · Cache Size: 10.00 MB · stream abc (started), stream def (started)",
    );
    assert.match(containerLines(busy).join("\n"), /in use and left alone: stream abc/);
    const unknown = containerRow({ use: "unknown", because: "the orchestrator does not answer" });
    assert.match(containerText(unknown, NOW), /^in use\? · .* · the orchestrator does not answer$/);
    assert.match(containerLines(unknown).join("\n"), /cannot be told, so it is left alone/);
  });

  it("know by the core's own words that one is only to wait for, and call it neither busy nor idle", () => {
    const said = (...by: [Occupation, ...Occupation[]]) =>
      containerRow({ use: "busy", because: sayIdleness({ state: "busy", by }, NOW) });
    const grace = { kind: "grace", until: NOW + 20_000 } as const;
    const waiting = said(grace);
    assert.equal(isWaiting(waiting), true);
    assert.equal(isWaiting(said(grace, { kind: "draining" })), false);
    assert.equal(isWaiting(containerRow({ because: "idle for 2m" })), false);
    assert.equal(
      containerText(waiting, NOW),
      "Cache Cleanup: Never · Cache Size: 10.00 MB · idle, but not for long: 20s to go",
    );
    assert.equal(enginesText([waiting]), "1 cache · 10.00 MB");
  });

  it("tell its path, its last cleanups and what they freed together", () => {
    const lines = containerLines(
      containerRow({
        lastCacheCleanup: before(MINUTE_MS),
        cacheSizeBytes: 2 * 1024 ** 2,
        cleanups: 3,
        freedBytes: 7 * 1024 ** 2,
        history: [{ at: before(MINUTE_MS), bytesBefore: 2 * 1024 ** 2, bytesAfter: null, outcome: "unverified" }],
      }),
    ).join("\n");
    assert.match(lines, /\/cache\n/);
    assert.match(lines, /there were 2\.00 MB in it/);
    assert.match(lines, /Emptied 3 times, 7\.00 MB freed together/);
    assert.match(lines, /2\.00 MB → N\/A \(unverified\)/);
  });

  it("add up the caches of an engine, and say so where not all of them are known", () => {
    assert.equal(enginesText([containerRow(), containerRow()]), "2 caches · 20.00 MB");
    const unknown = containerRow({ state: "unknown", bytes: null, entries: null, use: "unknown" });
    assert.equal(
      enginesText([containerRow({ use: "busy" }), unknown]),
      "2 caches · at least 10.00 MB · 1 busy · 1 perhaps in use",
    );
    assert.equal(enginesText([]), "no container");
    assert.equal(enginesText([unknown]), "1 cache · N/A · 1 perhaps in use");
  });
});

describe("the words for a Jellyfin server", () => {
  const [channel] = serverRow().sections;
  const [task] = serverRow().tasks;
  if (channel === undefined || task === undefined) throw new Error("no rows");

  it("say of a channel cache whether it is populated, and how far a refresh is", () => {
    assert.equal(
      channelText({ ...channel, completedAt: before(2 * 60 * MINUTE_MS) }, NOW),
      "populated · refreshed 2h ago",
    );
    assert.equal(channelText({ ...channel, isRefreshing: true, progress: 0.4 }, NOW), "refreshing, 40 %");
    assert.equal(
      channelText({ ...channel, isRefreshing: true, isPopulated: false, progress: 0 }, NOW),
      "refreshing, 0 % · not populated yet",
    );
    assert.equal(channelText({ ...channel, isPopulated: false }, NOW), "empty");
  });

  it("say of a task how it ended and how far it is", () => {
    assert.equal(taskText(task, NOW), "never ran");
    assert.equal(taskText({ ...task, lastEnded: before(MINUTE_MS), lastStatus: "Failed" }, NOW), "Failed 1m ago");
    assert.equal(taskText({ ...task, state: "Running", progress: 0.25 }, NOW), "running, 25 %");
    assert.equal(taskText({ ...task, state: "Cancelling" }, NOW), "cancelling");
  });

  it("give no number for what the server would not say", () => {
    assert.deepEqual(serverFacts(serverRow()), [
      ["Items", "120 movies, 1 series, 900 episodes"],
      ["Cache folder", "2.00 KB used, N/A free on its disk · /cache"],
      ["Transcode folder", "N/A"],
    ]);
    assert.equal(serverFacts({ ...serverRow(), counts: null })[0]?.[1], "N/A");
  });

  it("say beside its name what is going on, and only that goes on of which the server says so", () => {
    assert.equal(serverText(serverRow()), "10.11.5");
    assert.equal(
      serverText({ ...serverRow(), sections: [{ ...channel, isPopulated: false }] }),
      "10.11.5 · 1 channel cache empty",
    );
    assert.equal(
      serverText({ ...serverRow(), sections: [{ ...channel, isRefreshing: true }] }),
      "10.11.5 · refreshing",
    );
    assert.equal(isMoving(serverRow()), false);
    assert.equal(isMoving({ ...serverRow(), tasks: [{ ...task, state: "Cancelling" }] }), true);
  });
});
