import { PassThrough } from "node:stream";
import { stdout } from "node:process";
import { fileURLToPath } from "node:url";

import { runSuitesInElectron } from "./electron.ts";
import { demandSuccess } from "./run-suite.ts";

describe("the suites through @vscode/test-electron", () => {
  it("pass, with the VS Code server in place of the desktop", async function () {
    this.timeout(400_000);
    const log = new PassThrough();
    const lines: string[] = [];
    log.setEncoding("utf8").on("data", (text: string) => lines.push(text));
    const result = await runSuitesInElectron({
      suites: [fileURLToPath(new URL("suites/host.suite.ts", import.meta.url))],
      executable: fileURLToPath(new URL("code-shim.ts", import.meta.url)),
      print: (text) => void stdout.write(text.replaceAll(/^(?=.)/gm, "      │ ")),
      log,
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${lines.join("")}`, { cause: error });
    });
    demandSuccess(result);
  });
});
