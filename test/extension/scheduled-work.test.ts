import assert from "node:assert/strict";
import { readFileSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";

import type { Engine } from "../../extension/engine.ts";
import { cleanUpUnattended, foundIn } from "../../extension/scheduled-work.ts";
import { makeDesk } from "../../extension/worker/desk.ts";
import { handlers } from "../../extension/worker/handlers.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, makeMovies } from "../support/library.ts";
import { makePlace } from "../support/place.ts";

const NAMES = Array.from({ length: 30 }, (_, number) => `film ${number}.mkv`);

/** A library of thirty films, some of them gone, and the worker's own handlers in the place of the engine. */
function makeScene(gone: number, ageHours = 48) {
  const root = makePlace("library");
  const media = makeMovies(root, NAMES);
  for (const path of media.slice(0, gone)) rmSync(path);
  const cache = join(root, CACHE);
  const written = Date.now() / 1000 - ageHours * 3600;
  utimesSync(cache, written, written);
  const context = makeContext({ config: { libraries: [{ name: "films", roots: [root] }] } });
  const desk = makeDesk();
  const engine = {
    request: async (name: "invoke", params: never) => handlers[name](params, context, desk),
  } as unknown as Pick<Engine, "request">;
  const survey = () => handlers.survey({ refresh: true }, context, desk);
  return { root, cache, engine, survey };
}

describe("what is done while nobody watches", () => {
  it("removes what is stale, and says which run did it", async () => {
    const { cache, engine } = makeScene(3);
    const done = await cleanUpUnattended(engine);
    assert.equal(done.kind, "cleaned");
    assert.ok(done.kind === "cleaned" && done.run !== "");
    assert.deepEqual([done.status, done.entries, done.caches, done.refused], ["complete", 3, 1, 0]);
    assert.equal(Object.keys(JSON.parse(readFileSync(cache, "utf8")) as object).length, 27);
    assert.deepEqual(await cleanUpUnattended(engine), { kind: "nothing" });
  });

  it("leaves alone what was written lately", async () => {
    const { cache, engine } = makeScene(3, 1);
    const before = readFileSync(cache);
    assert.deepEqual(await cleanUpUnattended(engine), { kind: "nothing" });
    assert.deepEqual(readFileSync(cache), before);
  });

  it("never applies a blocked plan, and names each cause with its advice", async () => {
    const { root, cache, engine } = makeScene(25);
    const before = readFileSync(cache);
    const done = await cleanUpUnattended(engine);
    assert.ok(done.kind === "blocked");
    assert.deepEqual(
      done.causes.map(({ key }) => key),
      [`stale_ratio ${root}`],
    );
    assert.ok(done.causes[0]?.text.startsWith(`${root}: `));
    assert.deepEqual(readFileSync(cache), before);
  });

  it("finds by checking what is stale, nothing, or a library that is not there", async () => {
    assert.deepEqual(foundIn(await makeScene(3).survey()), { kind: "found", stale: 3, caches: 1 });
    assert.deepEqual(foundIn(await makeScene(0).survey()), { kind: "nothing" });
    const { root, survey } = makeScene(3);
    rmSync(root, { recursive: true });
    const done = foundIn(await survey());
    assert.ok(done.kind === "blocked");
    assert.deepEqual(
      done.causes.map(({ key }) => key),
      [`missing ${root}`],
    );
  });
});
