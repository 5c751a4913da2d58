import assert from "node:assert/strict";

import { operations } from "../../shared/index.ts";
import { operationNamed } from "../../shared/start.ts";

describe("an operation that is asked for by its name", () => {
  it("is the one of the registry, loaded alone or not", async () => {
    for (const operation of operations) assert.equal(await operationNamed(operation.name), operation);
  });

  it("is none where there is none of that name", async () => {
    for (const name of ["", "mcp", "Cleanup", "constructor", "__proto__"]) {
      assert.equal(await operationNamed(name), undefined);
    }
  });
});
