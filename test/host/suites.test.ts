import { stdout } from "node:process";

import { demandSuccess, runSuites } from "./run-suite.ts";

describe("the suites in a real VS Code", () => {
  it("pass", async function () {
    this.timeout(400_000);
    demandSuccess(await runSuites({ timeoutMs: 300_000, print: indent }));
  });
});

function indent(text: string): void {
  stdout.write(text.replaceAll(/^(?=.)/gm, "      │ "));
}
