import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";

import { createRequestStateCodec } from "@modelcontextprotocol/server";

import { serveHttp } from "../../mcp-server/index.ts";
import { copyLibrary } from "../support/library.ts";
import { treeState } from "../support/tree.ts";
import { buildFixture } from "./conformance/catalogue.ts";
import { openDoor } from "./conformance/doorman.ts";
import { runSuite, type SuiteResult } from "./conformance/suite.ts";
import { startHttp } from "./http-server.ts";

/** Resuming a broken stream is not offered, and no revision demands it: the suite only warns. */
const WITHOUT_CHECKS = ["server-sse-polling"];

/** One check of a scenario, as the suite prints it. */
interface Check {
  readonly status: string;
  readonly errorMessage?: string;
}

/** That the suite found nothing wrong, and did look: every scenario but the named passed some check. */
function assertClean(result: SuiteResult, scenarios: number, checks: number, unscored = /^$/): void {
  const scored = [...result.scenarios].filter(([name]) => !unscored.test(name));
  const passed = scored.reduce((sum, [, verdict]) => sum + verdict.passed, 0);
  assert.equal(result.code, 0, result.output);
  assert.deepEqual(
    scored.flatMap(([name, verdict]) => (verdict.failed > 0 ? [name] : [])),
    [],
    result.output,
  );
  const idle = scored.flatMap(([name, verdict]) => (verdict.passed === 0 ? [name] : []));
  assert.deepEqual(
    idle.filter((name) => !WITHOUT_CHECKS.includes(name)),
    [],
  );
  assert.ok(scored.length >= scenarios, `${scored.length} scenarios`);
  assert.ok(passed >= checks, `${passed} checks`);
}

describe("the HTTP adapter with the suite's own catalogue", () => {
  let door: Awaited<ReturnType<typeof openDoor>>;
  let server: Awaited<ReturnType<typeof serveHttp>>;

  before(async () => {
    const codec = createRequestStateCodec<number>({ key: randomBytes(32) });
    const token = randomBytes(32).toString("base64url");
    const options = { host: "127.0.0.1", port: 0, token, allowedHosts: [], requestsPerMinute: 100_000 };
    server = await serveHttp(() => buildFixture(codec), options);
    door = await openDoor(server.url, token);
  });
  after(async () => {
    door.close();
    await server.close();
  });

  it("passes every scenario of the published suite", async () => {
    const result = await runSuite("published", door.url, ["--suite", "all"]);
    assertClean(result, 32, 44);
  });

  it("meets the requirements of 2025-11-25", async () => {
    const result = await runSuite("next", door.url, ["--requirements", "2025-11-25"]);
    assertClean(result, 33, 81);
  });

  it("meets the requirements of 2026-07-28", async () => {
    const result = await runSuite("next", door.url, ["--requirements", "2026-07-28"]);
    assertClean(result, 40, 150, /^tasks-/);
  });

  it("is told apart by the suite from a server that has none of the catalogue", async () => {
    const bare = await runSuite("published", `${door.url}/elsewhere`, ["--suite", "all"]);
    assert.equal(bare.code, 1);
    assert.ok([...bare.scenarios.values()].filter(({ failed }) => failed > 0).length > 25, bare.output);
  });
});

describe("the product, as it is served over HTTP", () => {
  const library = { path: "", before: [] as string[] };
  let door: Awaited<ReturnType<typeof openDoor>>;

  before(async () => {
    library.path = copyLibrary();
    library.before = treeState(library.path);
    const { url, token } = await startHttp(["--root", library.path]);
    door = await openDoor(url, token);
  });
  after(() => door.close());

  const PUBLISHED = ["server-initialize", "ping", "tools-list", "resources-list", "prompts-list"];
  for (const scenario of [...PUBLISHED, "server-sse-multiple-streams", "dns-rebinding-protection"]) {
    it(`passes ${scenario} of the published suite`, async () => {
      const { code, output } = await runSuite("published", door.url, ["--scenario", scenario]);
      assertChecks(code, output);
    });
  }

  const NEXT = ["tools-list", "resources-list", "prompts-list", "dns-rebinding-protection", "caching"];
  for (const scenario of [...NEXT, "http-header-validation", "sep-2164-resource-not-found"]) {
    it(`passes ${scenario} of 2026-07-28`, async () => {
      const words = ["--scenario", scenario, "--spec-version", "2026-07-28"];
      const { code, output } = await runSuite("next", door.url, words);
      assertChecks(code, output);
    });
  }

  it("ends a session of 2025-11-25 when the client says so", async () => {
    const words = ["--scenario", "server-session-lifecycle", "--spec-version", "2025-11-25"];
    const { code, output } = await runSuite("next", door.url, words);
    assertChecks(code, output);
  });

  it("passes all of server-stateless but what needs a tool made for the suite", async () => {
    const words = ["--scenario", "server-stateless", "--spec-version", "2026-07-28", "--verbose"];
    const { output } = await runSuite("next", door.url, words);
    const checks = JSON.parse(/^\[$[^]*?^\]$/m.exec(output)?.[0] ?? "[]") as Check[];
    const failed = checks.filter(({ status }) => status === "FAILURE");
    assert.deepEqual(
      failed.filter(({ errorMessage }) => !/^Not testable: .*'test_\w+'/.test(errorMessage ?? "")),
      [],
    );
    assert.equal(failed.length, 4);
    assert.ok(checks.filter(({ status }) => status === "SUCCESS").length >= 24, output);
  });

  it("leaves the library as it was", () => {
    assert.deepEqual(treeState(library.path), library.before);
  });

  /** That a single scenario passed at least one check, and failed none. */
  function assertChecks(code: number, output: string): void {
    const [, passed, all, failed] = /Passed: (\d+)\/(\d+), (\d+) failed/.exec(output) ?? [];
    assert.equal(code, 0, output);
    assert.deepEqual([passed, failed], [all, "0"], output);
    assert.ok(Number(passed) > 0, output);
  }
});
