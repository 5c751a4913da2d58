import assert from "node:assert/strict";

import { assertEngines, EngineCache, KNOWN_CACHE_PATHS } from "../../../shared/caches/engine/settings.ts";
import { parse } from "../../../shared/index.ts";
import { failsWith } from "../../support/runs.ts";

const settings = (parts: Record<string, unknown>) => parse(EngineCache, { name: "ace", ...parts }, "engines");
const accept = (...caches: readonly Record<string, unknown>[]) => assertEngines(caches.map((parts) => settings(parts)));

describe("the settings of an engine cache", () => {
  it("need no more than a name", () => {
    const { containers, grace, poll, onStreamEnd, probePaths } = settings({});
    assert.deepEqual(containers, { labels: ["ondemand.app=myservice"] });
    assert.deepEqual([grace, poll, onStreamEnd, probePaths], ["30s", "10s", false, [...KNOWN_CACHE_PATHS]]);
    accept({});
  });

  const fine: readonly Record<string, unknown>[] = [
    { orchestrator: { url: "http://127.0.0.1:8000" } },
    { orchestrator: { url: "https://tv.example/orchestrator/", apiBase: "/api/v1", timeLimit: "3s" } },
    { orchestrator: { url: "http://[::1]:8083", apiBase: "" } },
    { grace: "999999w", poll: "400000w" },
    { containers: { names: ["ace-1", "ace_2"] }, cachePath: "/data/.cache..x/a b" },
    { grace: "0s", poll: "1m" },
  ];
  for (const parts of fine) it(`may be ${JSON.stringify(parts)}`, () => accept(parts));

  const refused: readonly Record<string, unknown>[] = [
    ...["/", "/root", "relative/x", "/a//b", "/a/../b", "/a/./b", "/a/b/", "/a/b/..", "/a/\0b", ""].map(
      (cachePath) => ({ cachePath }),
    ),
    { probePaths: ["/home"] },
    ...["ftp://h", "h:8000", "http://", "http://user:pw@h", "http://h/?key=abc", "http://h/#x", "http://h:99999"].map(
      (url) => ({ orchestrator: { url } }),
    ),
    { orchestrator: { url: "http://h", apiBase: "api" } },
    { orchestrator: { url: "http://h", apiBase: "/api/?x" } },
    { orchestrator: { url: "http://h", key: "secret" } },
    { containers: {} },
    { containers: { labels: [] } },
    { grace: "30s", poll: "16s" },
    { poll: "0s" },
    { name: "two words" },
    { unknown: 1 },
  ];
  for (const parts of refused) {
    it(`may not be ${JSON.stringify(parts)}`, () => assert.throws(() => accept(parts), failsWith("invalid_input")));
  }

  it("may not be there twice", () => {
    assert.throws(
      () => accept({ name: "a" }, { name: "b" }, { name: "a" }),
      failsWith("invalid_input", /a is there twice/),
    );
  });
});
