import assert from "node:assert/strict";
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { durationMs, makeScheduler, type ScheduledAction, type Wanted } from "../../extension/scheduler.ts";
import { takeTurn } from "../../extension/turn.ts";
import { makePlace } from "../support/place.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A scheduler with a clock to be set, and what it did. */
function makeScene(wanted: Partial<Wanted> | undefined = {}) {
  const done: ScheduledAction[] = [];
  const errors: unknown[] = [];
  const scene = {
    done,
    errors,
    time: 1_700_000_000_000,
    wanted: { action: "check", everyMs: HOUR, idleMs: 10 * MINUTE, ...wanted } as Wanted | undefined,
    isMyTurn: true,
    work: async () => undefined as void,
  };
  const scheduler = makeScheduler({
    now: () => scene.time,
    wanted: () => scene.wanted,
    takeTurn: async () => scene.isMyTurn,
    run: async (action) => {
      done.push(action);
      await scene.work();
    },
    onError: (error) => errors.push(error),
  });
  return { ...scheduler, scene, done, errors };
}

describe("the schedule", () => {
  it("does nothing as long as the person is there, or was there a moment ago", async () => {
    const { scene, done, notice, tick } = makeScene();
    scene.time += 24 * HOUR;
    await tick();
    notice(false);
    scene.time += 9 * MINUTE;
    await tick();
    assert.deepEqual(done, []);
    scene.time += MINUTE;
    await tick();
    assert.deepEqual(done, ["check"]);
  });

  it("counts the time from when the person left, however often it hears of it", async () => {
    const { scene, done, notice, tick } = makeScene();
    notice(false);
    for (let minute = 0; minute < 10; minute += 1) {
      scene.time += MINUTE;
      notice(false);
    }
    await tick();
    assert.deepEqual(done, ["check"]);
  });

  it("begins to count anew when the person was back in between", async () => {
    const { scene, done, notice, tick } = makeScene();
    notice(false);
    scene.time += 9 * MINUTE;
    notice(true);
    notice(false);
    scene.time += 9 * MINUTE;
    await tick();
    assert.deepEqual(done, []);
  });

  it("leaves it to the window whose turn it is, and does nothing when switched off", async () => {
    const { scene, done, notice, tick } = makeScene();
    notice(false);
    scene.time += HOUR;
    scene.isMyTurn = false;
    await tick();
    scene.isMyTurn = true;
    scene.wanted = undefined;
    await tick();
    assert.deepEqual(done, []);
  });

  it("does one thing at a time, and lets it end when the person comes back", async () => {
    const { scene, done, notice, tick } = makeScene({ action: "cleanup" });
    const { promise, resolve } = Promise.withResolvers<void>();
    scene.work = () => promise;
    notice(false);
    scene.time += HOUR;
    const first = tick();
    await tick();
    notice(true);
    assert.deepEqual(done, ["cleanup"]);
    resolve();
    await first;
    assert.deepEqual(done, ["cleanup"]);
  });

  it("survives an error of its work and says it", async () => {
    const { scene, done, errors, notice, tick } = makeScene();
    scene.work = () => Promise.reject(new Error("no disk"));
    notice(false);
    scene.time += HOUR;
    await tick();
    await tick();
    assert.equal(done.length, 2);
    assert.deepEqual(errors.map(String), ["Error: no disk", "Error: no disk"]);
  });

  it("reads durations as the settings have them, and nothing else", () => {
    assert.equal(durationMs("90m"), 90 * MINUTE);
    assert.equal(durationMs("2w"), 14 * 24 * HOUR);
    for (const text of ["", "24", "1.5h", "-1h", "1y", "24 h"]) assert.equal(durationMs(text), undefined, text);
  });
});

describe("a turn among windows", () => {
  const NOW = 1_700_000_000_000;

  it("is had by exactly one of many that ask at once", async () => {
    const directory = join(makePlace(), "turns");
    for (const now of [NOW, NOW + HOUR]) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => takeTurn(directory, HOUR, now)));
      assert.equal(answers.filter(Boolean).length, 1);
    }
  });

  it("comes again only after the whole time, also when the window that had it died", async () => {
    const directory = makePlace();
    assert.equal(await takeTurn(directory, HOUR, NOW), true);
    assert.equal(await takeTurn(directory, HOUR, NOW + HOUR - 1000), false);
    assert.equal(await takeTurn(directory, HOUR, NOW + HOUR), true);
    assert.equal(await takeTurn(directory, HOUR, NOW + HOUR + 1000), false);
  });

  it("is not blocked by one that was taken when the clock was wrong", async () => {
    const directory = makePlace();
    assert.equal(await takeTurn(directory, HOUR, NOW + 1000 * HOUR), true);
    assert.equal(await takeTurn(directory, HOUR, NOW), true);
  });

  it("leaves few files behind, and those of others alone", async () => {
    const directory = makePlace();
    mkdirSync(join(directory, "other"));
    writeFileSync(join(directory, "notes.txt"), "");
    for (let turn = 0; turn < 5; turn += 1) await takeTurn(directory, HOUR, NOW + turn * HOUR);
    assert.deepEqual(readdirSync(directory).toSorted(), ["4", "5", "notes.txt", "other"]);
  });

  it("goes on from what is there, for one only", async () => {
    const directory = makePlace();
    const time = new Date(NOW - 10 * HOUR);
    for (const name of ["1", "2"]) {
      writeFileSync(join(directory, name), "");
      utimesSync(join(directory, name), time, time);
    }
    const answers = await Promise.all([takeTurn(directory, HOUR, NOW), takeTurn(directory, HOUR, NOW)]);
    assert.deepEqual(answers.toSorted(), [false, true]);
    assert.deepEqual(readdirSync(directory).toSorted(), ["2", "3"]);
  });
});
