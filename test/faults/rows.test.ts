import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { reliability, RELIABILITY } from "./document.ts";
import { readFigures } from "./figures.ts";
import { blankTally, makeTask } from "./row.ts";
import { rows } from "./rows.ts";

describe("a few cases of what the long run tries", function () {
  this.timeout(600_000);

  for (const row of rows.filter(({ quick }) => quick > 0)) {
    it(`${row.name}: ${row.required}`, async () => {
      const tally = blankTally();
      await row.run(makeTask({ seed: 0, from: 0, to: row.quick }, tally));
      assert.deepEqual(tally.failures, []);
      // What is not possible on this machine is said, not passed over.
      assert.ok(tally.done >= row.quick || tally.notes.length > 0, JSON.stringify(tally));
    });
  }
});

describe("docs/reliability.md", () => {
  it("says what docs/reliability.json says, and nothing else", () => {
    assert.equal(readFileSync(RELIABILITY, "utf8"), reliability(readFigures()));
  });
});
