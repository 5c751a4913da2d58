import * as fc from "fast-check";

import { makeContext } from "../support/context.ts";
import { libraries, roundTrip } from "./round-trip.ts";

describe("cleanup, apply and undo over random libraries", () => {
  const context = makeContext();

  it("plan what is done, do what was planned, lose nothing that lives, and restore the tree exactly", async () => {
    const property = fc.asyncProperty(libraries, (library) => roundTrip(context, library));
    await fc.assert(property, { numRuns: 60 });
  });
});
