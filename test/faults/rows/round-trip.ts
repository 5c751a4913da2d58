import * as fc from "fast-check";

import { libraries, roundTrip as goRound } from "../../shared/round-trip.ts";
import { makeContext } from "../../support/context.ts";
import { countPlaces, removePlaces } from "../../support/place.ts";
import { eachCase, type Row } from "../row.ts";

/** How many libraries share a state directory. */
const TOGETHER = 100;

export const roundTrip: Row = {
  name: "round-trip",
  what: "random libraries (kept, deleted, changed, superseded, moved and doubled films in nested directories): plan, apply, plan again, undo",
  required:
    "a plan writes nothing; what was predicted was done; no living entry is lost; undo restores bytes, modes, owners and times",
  count: 10_000,
  quick: 30,
  async run(task) {
    const others = countPlaces();
    let context = makeContext();
    await eachCase(task, async (number) => {
      if (number % TOGETHER === 0) {
        context.state().close();
        removePlaces(others);
        context = makeContext();
      }
      const [library] = fc.sample(libraries, { seed: task.diceOf(number).below(2 ** 31), numRuns: 1 });
      if (library === undefined) throw new Error("no library");
      task.count("films", library.films.length);
      await goRound(context, library);
    });
    context.state().close();
  },
};
