import assert from "node:assert/strict";

import { countHanging, withTimeLimit } from "../../shared/time-limit.ts";

/** A call that answers when it is told to, and how often it was asked. */
function makeCall() {
  const { promise, resolve } = Promise.withResolvers<string>();
  const call = {
    asked: 0,
    ask: async () => {
      call.asked += 1;
      return promise;
    },
    answer: async () => {
      resolve("there");
      await promise;
      // Whoever waits for it hears of it by now.
      await new Promise(setImmediate);
    },
  };
  return call;
}

const LATE = { code: "ETIMEDOUT" };
const SECONDS = 0.01;

describe("a call of the file system that hangs", () => {
  it("is given up after its time limit, and counted until it answers", async () => {
    const call = makeCall();
    const before = countHanging();
    await assert.rejects(withTimeLimit(call.ask, SECONDS, "/share"), LATE);
    assert.equal(countHanging(), before + 1);
    await call.answer();
    assert.equal(countHanging(), before);
  });

  it("is not made a second time before it has answered", async () => {
    const call = makeCall();
    await assert.rejects(withTimeLimit(call.ask, SECONDS, "/share"), LATE);
    await assert.rejects(withTimeLimit(call.ask, 60, "/share"), LATE);
    assert.equal(call.asked, 1);
    await call.answer();
    assert.equal(await withTimeLimit(call.ask, 60, "/share"), "there");
    assert.equal(call.asked, 2);
  });

  it("with three more keeps others about the same from being made, and no others", async () => {
    const before = countHanging();
    const calls = Array.from({ length: 4 }, makeCall);
    for (const [index, { ask }] of calls.entries()) {
      await assert.rejects(withTimeLimit(ask, SECONDS, `/share/${index}`, "share"), LATE);
    }
    const other = makeCall();
    await assert.rejects(withTimeLimit(other.ask, 60, "/share/other", "share"), LATE);
    assert.equal(other.asked, 0);
    await other.answer();
    assert.equal(await withTimeLimit(other.ask, 60, "/disk/other", "disk"), "there");
    assert.equal(await withTimeLimit(other.ask, 60, "/share"), "there");
    await calls[0]?.answer();
    assert.equal(await withTimeLimit(other.ask, 60, "/share/other", "share"), "there");
    for (const { answer } of calls) await answer();
    assert.equal(countHanging(), before);
  });
});
