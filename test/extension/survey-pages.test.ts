import { deepEqual, equal } from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";

import { makeDesk } from "../../extension/worker/desk.ts";
import { handlers } from "../../extension/worker/handlers.ts";
import { makePlace } from "../support/place.ts";
import { makeStaleLibrary } from "../support/runs.ts";

describe("the pages of a survey", () => {
  const selection = { problems: [], search: "", sort: "stale" } as const;

  const open = (...roots: readonly string[]) => {
    const desk = makeDesk();
    const state = makePlace("state");
    const settings = (configuration: Record<string, unknown>) =>
      desk.configure({
        stateDirectory: state,
        configurationFile: "",
        configuration: {
          libraries: roots.map((root, at) => ({ name: `library${at}`, roots: [root] })),
          ...configuration,
        },
      });
    settings({});
    const context = () => desk.context(new AbortController().signal, () => undefined);
    const rowsOf = async (root: string) => {
      const page = await handlers.directories({ root, selection, offset: 0, limit: 10 }, context(), desk);
      return page.rows.map(({ label, entries, stale }) => [label, entries, stale]);
    };
    return { desk, settings, context, rowsOf };
  };

  it("outlive settings that are about something else, and are made anew for other libraries", async () => {
    const [one, other] = [makeStaleLibrary("a"), makeStaleLibrary("b")];
    const { desk, settings, context, rowsOf } = open(one);
    await handlers.survey({ refresh: true }, context(), desk);
    const before = desk.survey;
    settings({ planExpiry: "2h" });
    equal(desk.survey, before);
    deepEqual(await rowsOf(one), [["a", 3, 1]]);
    settings({ libraries: [{ name: "other", roots: [other] }] });
    deepEqual(await rowsOf(other), [["b", 3, 1]]);
  });

  it("show anew what was looked at again, and the rest as it was", async () => {
    const root = makeStaleLibrary("a", "b");
    const { desk, context, rowsOf } = open(root);
    await handlers.survey({ refresh: true }, context(), desk);
    for (const name of ["a", "b"]) rmSync(join(root, name, `${name} one.mkv`));
    const { roots } = await handlers.resurvey({ directories: [join(root, "b")] }, context(), desk);
    equal(roots[0]?.stale, 3);
    deepEqual(await rowsOf(root), [
      ["b", 3, 2],
      ["a", 3, 1],
    ]);
  });
});
