import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { decide, readConfiguration, type Schedule } from "../../shared/index.ts";
import { dueAfter, jitterMs } from "../../shared/schedule.ts";
import { makePlace } from "../support/place.ts";
import { failsWith } from "../support/runs.ts";

const at = (text: string) => Date.parse(text);
const iso = (time: number | undefined) => (time === undefined ? undefined : new Date(time).toISOString());

/** The schedule as a configuration file has it after it was read. */
function read(...schedules: readonly Record<string, unknown>[]): readonly Schedule[] {
  const file = join(makePlace("configuration"), "config.json");
  writeFileSync(file, JSON.stringify({ schedules }));
  return readConfiguration(file, true).schedules;
}

const nightly = { name: "nightly", cron: "30 3 * * *", timezone: "UTC", operation: "cleanup" };

describe("a schedule in the configuration", () => {
  it("gets its defaults, which apply nothing and make up for nothing", () => {
    const [schedule] = read(nightly);
    assert.deepEqual(schedule, {
      ...nightly,
      input: {},
      apply: false,
      jitter: "0s",
      missed: "skip",
      enabled: true,
    });
    const [idle] = read({ ...nightly, onlyWhenIdle: { load: 0.5 } });
    assert.deepEqual(idle?.onlyWhenIdle, { load: 0.5, wait: "1h" });
  });

  for (const [what, wrong, message] of [
    ["four fields", { cron: "* * * *" }, /nightly: "\* \* \* \*" is no cron expression/],
    ["seven fields", { cron: "* * * * * * *" }, /no cron expression/],
    ["a minute there is not", { cron: "61 * * * *" }, /no cron expression/],
    ["a day that never comes", { cron: "0 0 31 2 *" }, /never comes/],
    ["a zone there is not", { timezone: "Europe/Atlantis" }, /no time zone/],
    ["an operation that is not for schedules", { operation: "undo" }, /operation: must be one of/],
    ["input its operation does not take", { input: { patsh: [] } }, /schedule nightly: its input .*patsh/],
    ["input of the wrong type", { input: { maxEntries: "many" } }, /maxEntries/],
    ["a jitter that is no duration", { jitter: "soon" }, /jitter/],
    ["a property there is not", { aply: true }, /aply/],
  ] as const) {
    it(`is refused with ${what}`, () => {
      assert.throws(() => read({ ...nightly, ...wrong }), failsWith("invalid_input", message));
    });
  }

  it("is refused without a zone where hosts share the work", () => {
    const { timezone: _, ...local } = nightly;
    const file = join(makePlace("configuration"), "config.json");
    const refused = (schedule: object) => {
      writeFileSync(file, JSON.stringify({ cluster: { enabled: true }, schedules: [schedule] }));
      readConfiguration(file, true);
    };
    assert.throws(() => refused(local), failsWith("invalid_input", /nightly has no timezone/));
    assert.doesNotThrow(() => refused(nightly));
    assert.equal(read(local).length, 1);
  });

  it("is refused when another has its name", () => {
    assert.throws(() => read(nightly, nightly), failsWith("invalid_input", /two schedules are called nightly/));
  });
});

describe("the times of a schedule", () => {
  const after = (cron: string, timezone: string, from: string, count: number) => {
    const times: (string | undefined)[] = [];
    for (let time: number | undefined = at(from); time !== undefined && times.length < count;) {
      time = dueAfter({ cron, timezone }, time);
      times.push(iso(time));
    }
    return times;
  };

  it("come once on the day on which its hour is left out, and once on the day that has it twice", () => {
    assert.deepEqual(after("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2), [
      "2026-03-29T01:00:00.000Z",
      "2026-03-30T00:30:00.000Z",
    ]);
    assert.deepEqual(after("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2), [
      "2026-10-25T00:30:00.000Z",
      "2026-10-26T01:30:00.000Z",
    ]);
  });

  it("come every half an hour through both changes of the clock", () => {
    const half = (from: string) => after("*/30 * * * *", "Europe/Berlin", from, 4).map((time) => time?.slice(11, 16));
    assert.deepEqual(half("2026-03-29T00:15:00Z"), ["00:30", "01:00", "01:30", "02:00"]);
    assert.deepEqual(half("2026-10-25T00:15:00Z"), ["00:30", "01:00", "01:30", "02:00"]);
  });

  it("may be given to the second", () => {
    assert.deepEqual(after("*/20 * * * * *", "UTC", "2026-01-01T00:00:05Z", 2), [
      "2026-01-01T00:00:20.000Z",
      "2026-01-01T00:00:40.000Z",
    ]);
  });

  it("are late by a jitter that is its own for each host and name, always the same, and below what was asked", () => {
    const late = (name: string, host: string) => jitterMs({ name, jitter: "10m" }, host);
    const all = ["a", "b", "c", "d"].flatMap((host) => ["x", "y", "z"].map((name) => late(name, host)));
    assert.equal(new Set(all).size, all.length);
    assert.ok(all.every((ms) => ms >= 0 && ms < 600_000));
    assert.equal(late("x", "a"), late("x", "a"));
    assert.equal(jitterMs({ name: "x", jitter: "0s" }, "a"), 0);
  });
});

describe("what is to be done about a schedule", () => {
  const [schedule] = read(nightly);
  assert.ok(schedule);
  const decided = (parts: Partial<Schedule>, since: string, now: string) =>
    decide({ ...schedule, ...parts }, "host", at(since), at(now));

  it("is to wait for its next time", () => {
    const until = at("2026-01-02T03:30:00Z");
    assert.deepEqual(decided({}, "2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z"), { kind: "wait", until });
    assert.deepEqual(decided({}, "2026-01-01T12:00:00Z", "2026-01-02T03:29:59.999Z"), { kind: "wait", until });
  });

  it("is to run it when its time has come, and not again", () => {
    const dueAt = at("2026-01-02T03:30:00Z");
    const run = { kind: "run", dueAt };
    assert.deepEqual(decided({}, "2026-01-01T12:00:00Z", "2026-01-02T03:30:00Z"), run);
    assert.deepEqual(decided({}, "2026-01-01T12:00:00Z", "2026-01-02T03:31:00Z"), run);
    assert.equal(decided({}, "2026-01-02T03:30:00Z", "2026-01-02T03:30:00Z").kind, "wait");
  });

  it("is to leave out a time at which nobody was there, or to make up for it once, as it says", () => {
    const dueAt = at("2026-01-09T03:30:00Z");
    const [since, now] = ["2026-01-01T12:00:00Z", "2026-01-09T03:31:00.001Z"];
    assert.deepEqual(decided({ missed: "skip" }, since, now), { kind: "missed", dueAt });
    assert.deepEqual(decided({ missed: "run" }, since, now), { kind: "run", dueAt });
    assert.equal(decided({ missed: "run" }, iso(dueAt) ?? "", now).kind, "wait");
  });

  it("counts a late start by jitter neither as missed nor as due too early", () => {
    const jitter = "2h";
    const delay = jitterMs({ name: "nightly", jitter }, "host");
    assert.ok(delay > 120_000);
    const due = at("2026-01-02T03:30:00Z");
    const decide2 = (now: number) => decide({ ...schedule, jitter }, "host", at("2026-01-01T12:00:00Z"), now);
    assert.deepEqual(decide2(due + delay - 1), { kind: "wait", until: due + delay });
    assert.deepEqual(decide2(due + delay), { kind: "run", dueAt: due });
    assert.deepEqual(decide2(due + delay + 60_001), { kind: "missed", dueAt: due });
  });

  it("does not repeat a time when the clock is set back", () => {
    const { kind } = decided({}, "2026-01-02T03:30:00Z", "2026-01-02T03:29:00Z");
    assert.equal(kind, "wait");
  });
});
