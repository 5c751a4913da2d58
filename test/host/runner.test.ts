import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

import type { SuiteResult } from "./inside.ts";
import { demandSuccess, runSuites } from "./run-suite.ts";

describe("the runner of suites in VS Code", function () {
  this.timeout(300_000);

  const runBroken = (name: string): Promise<SuiteResult> =>
    runSuites({ suites: [fileURLToPath(new URL(`broken/${name}.suite.ts`, import.meta.url))], print: () => undefined });

  it("says which test failed, where and why", async () => {
    const result = await runBroken("failing");
    assert.deepEqual({ ...result, failures: [] }, { tests: 2, passes: 1, failures: [] });
    assert.throws(() => demandSuccess(result), /a suite fails\n[^]*1 !== 2[^]*failing\.suite\.ts:5/);
  });

  it("does not take a host that died for a success, as VS Code does", async () => {
    await assert.rejects(runBroken("dying"), /the extension host ended before the suites did \(exit code 0\)/);
  });
});
