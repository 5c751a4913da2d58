import assert from "node:assert/strict";

import fc from "fast-check";

import { daysUntilFull } from "../../../shared/caches/managed/forecast.ts";
import { openUsageHistory } from "../../../shared/caches/managed/usage-history.ts";
import { makePlace } from "../../support/place.ts";

/** So many bytes on consecutive days. */
const daily = (...bytes: readonly number[]) => bytes.map((bytes, index) => ({ day: 20_000 + index, bytes }));

describe("a forecast", () => {
  it("is the days that steady growth takes from the newest sample to the quota", () => {
    assert.equal(daysUntilFull(daily(100, 110, 120), 200), 8);
    assert.equal(daysUntilFull(daily(0, 50, 100, 150), 1000), 17);
  });

  it("is 0 when the cache is full, whatever its growth", () => {
    assert.equal(daysUntilFull(daily(300, 250, 200), 200), 0);
    assert.equal(daysUntilFull(daily(201), 200), 0);
  });

  it("is none when the cache does not grow, or when there are not three days to tell by", () => {
    assert.equal(daysUntilFull(daily(120, 110, 100), 200), null);
    assert.equal(daysUntilFull(daily(100, 100, 100), 200), null);
    assert.equal(daysUntilFull(daily(10, 100), 200), null);
    assert.equal(daysUntilFull([], 200), null);
    const sameDay = [1, 2, 3, 4].map((bytes) => ({ day: 1, bytes }));
    assert.equal(daysUntilFull(sameDay, 200), null);
  });

  it("follows the trend through days that go up and down", () => {
    const days = daysUntilFull(daily(100, 90, 120, 110, 140, 130, 160), 260);
    assert.ok(days !== null && days > 9 && days < 11.5, String(days));
  });

  it("of any straight line is where that line meets the quota, in whatever order the samples come", () => {
    const line = fc.record({
      start: fc.integer({ min: 0, max: 1e9 }),
      growth: fc.integer({ min: 1, max: 1e9 }),
      days: fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { minLength: 3, maxLength: 60 }),
      room: fc.integer({ min: 1, max: 365 }),
    });
    fc.assert(
      fc.property(line, ({ start, growth, days, room }) => {
        const samples = days.map((day) => ({ day, bytes: start + growth * day }));
        const full = start + growth * (Math.max(...days) + room);
        const found = daysUntilFull(samples, full) ?? Number.NaN;
        assert.ok(Math.abs(found - room) < 1e-3 * room, `${found} instead of ${room}`);
      }),
    );
  });
});

describe("the usage history", () => {
  const DAY = 86_400_000;

  it("keeps the last sample of each day, of each cache on its own, also when it is opened again", () => {
    const directory = makePlace("state");
    const first = openUsageHistory(directory);
    for (const [bytes, at] of [
      [10, 0],
      [20, DAY - 1],
      [30, DAY],
      [40, 3 * DAY],
    ] as const)
      first.note("a", bytes, at);
    first.note("b", 99, 0);
    first.close();
    const again = openUsageHistory(directory);
    assert.deepEqual(again.samples("a"), [
      { day: 0, bytes: 20 },
      { day: 1, bytes: 30 },
      { day: 3, bytes: 40 },
    ]);
    assert.deepEqual(again.samples("b"), [{ day: 0, bytes: 99 }]);
    assert.deepEqual(again.samples("c"), []);
    again.close();
  });

  it("forgets what is older than sixty days, so that it does not grow", () => {
    const history = openUsageHistory(makePlace("state"));
    for (let day = 0; day < 200; day += 1) history.note("a", day, day * DAY);
    const samples = history.samples("a");
    assert.deepEqual([samples.length, samples[0]?.day, samples.at(-1)?.day], [60, 140, 199]);
    history.close();
  });
});
