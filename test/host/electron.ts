import { mkdirSync } from "node:fs";
import { join } from "node:path";
import process, { env, platform } from "node:process";
import { parseArgs } from "node:util";

import { runTests, TestRunFailedError } from "@vscode/test-electron";

import type { SuiteResult } from "./inside.ts";
import { demandSuccess, EXTENSION, prepareRun, type SuiteOptions } from "./run-suite.ts";
import { QUIET, writeSettings } from "./server.ts";

/** What runs, and in which desktop VS Code. */
export interface ElectronOptions extends Pick<SuiteOptions, "suites" | "grep" | "print" | "extension"> {
  /** The executable; without it a VS Code is downloaded. */
  readonly executable?: string;
  /** The version to download, the newest stable one by default. */
  readonly version?: string;
  /** Where VS Code's own lines go, which are many. */
  readonly log?: NodeJS.WritableStream;
}

const PATIENCE_MS = 600_000;

/** Runs the suites in a desktop VS Code through `@vscode/test-electron`; the result is as that of `runSuites`. */
export async function runSuitesInElectron(options: ElectronOptions = {}): Promise<SuiteResult> {
  const { executable, version, log, extension = EXTENSION } = options;
  const run = await prepareRun(options);
  try {
    const [folder, data, extensions] = ["folder", "data", "extensions"].map((name) => join(run.place, name)) as [
      string,
      string,
      string,
    ];
    mkdirSync(folder);
    writeSettings(join(data, "User"), QUIET);
    const code = await endOf(
      runTests({
        ...(executable === undefined ? {} : { vscodeExecutablePath: executable }),
        ...(version === undefined ? {} : { version }),
        ...(log === undefined ? {} : { stdout: log, stderr: log }),
        extensionDevelopmentPath: extension,
        extensionTestsPath: run.tests,
        extensionTestsEnv: run.env,
        launchArgs: [folder, `--user-data-dir=${data}`, `--extensions-dir=${extensions}`],
      }),
    );
    return run.finish(code);
  } finally {
    run.close();
  }
}

async function endOf(run: Promise<number>): Promise<number> {
  try {
    return await run;
  } catch (error) {
    if (error instanceof TestRunFailedError && error.code !== undefined) return error.code;
    throw error;
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { executable: { type: "string" }, version: { type: "string" } } });
  const { executable = env["VSCODE_EXECUTABLE"], version } = values;
  if (platform === "linux" && env["DISPLAY"] === undefined && env["WAYLAND_DISPLAY"] === undefined)
    console.error("There is no display. If VS Code does not start: xvfb-run -a npm run test:electron");
  const timer = setTimeout(() => {
    console.error(`no result after ${PATIENCE_MS} ms`);
    // What test-electron takes as the wish to end VS Code, and then this process.
    process.kill(process.pid, "SIGINT");
  }, PATIENCE_MS);
  try {
    demandSuccess(
      await runSuitesInElectron({
        ...(executable === undefined ? {} : { executable }),
        ...(version === undefined ? {} : { version }),
      }),
    );
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    if (executable === undefined)
      console.error(
        "Where no VS Code can be downloaded, name an installed one: --executable PATH or VSCODE_EXECUTABLE.",
      );
    process.exitCode = 1;
  } finally {
    clearTimeout(timer);
  }
}
