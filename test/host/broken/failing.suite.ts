import assert from "node:assert/strict";

describe("a suite", () => {
  it("passes", () => undefined);
  it("fails", () => assert.equal(1, 2));
});
