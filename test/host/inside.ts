import { appendFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { findSourceMap } from "node:module";
import { join } from "node:path";
import process, { env } from "node:process";
import { format } from "node:util";

import Mocha from "mocha";

/** How the runner outside and the suites in the extension host find each other: files named in the environment. */
export const OUTPUT = "CACHE_OPS_SUITES_OUTPUT";
export const RESULT = "CACHE_OPS_SUITES_RESULT";
export const GREP = "CACHE_OPS_SUITES_GREP";

/** What the suites came to. */
export interface SuiteResult {
  readonly tests: number;
  readonly passes: number;
  readonly failures: readonly SuiteFailure[];
}

interface SuiteFailure {
  readonly title: string;
  readonly message: string;
}

/** VS Code calls this in the extension host: runs every suite beside this file. */
export async function run(): Promise<void> {
  process.setSourceMapsEnabled(true);
  const output = env[OUTPUT];
  // The console is full of VS Code's own lines.
  if (output !== undefined)
    Mocha.reporters.Base.consoleLog = (...words: unknown[]) => appendFileSync(output, `${format(...words)}\n`);
  const mocha = new Mocha({ ui: "bdd", color: false, timeout: 30_000, forbidOnly: true, forbidPending: true });
  const grep = env[GREP];
  if (grep !== undefined) mocha.grep(new RegExp(grep));
  for (const name of readdirSync(__dirname).toSorted())
    if (name.endsWith(".suite.cjs")) mocha.addFile(join(__dirname, name));
  const result = await runAll(mocha);
  // VS Code says success for a host that died too, so the runner outside demands this file, complete.
  const path = env[RESULT];
  if (path !== undefined) {
    writeFileSync(`${path}.part`, JSON.stringify(result));
    renameSync(`${path}.part`, path);
  }
  if (result.tests === 0) throw new Error("there were no tests");
  if (result.failures.length > 0) throw new Error(`${result.failures.length} failed`);
}

async function runAll(mocha: Mocha): Promise<SuiteResult> {
  const failures: SuiteFailure[] = [];
  return new Promise((resolve) => {
    const runner = mocha.run(() => {
      const { tests = 0, passes = 0 } = runner.stats ?? {};
      resolve({ tests, passes, failures });
    });
    runner.on("fail", (test, error: unknown) => {
      if (error instanceof Error && error.stack !== undefined) error.stack = withSources(error.stack);
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      failures.push({ title: test.fullTitle(), message });
    });
  });
}

/** A stack that names lines of the sources, which Node itself does not write where VS Code formats stacks. */
function withSources(stack: string): string {
  return stack.replaceAll(/(\/[^\s():]+\.cjs):(\d+):(\d+)/g, (place, path: string, line: string, column: string) => {
    const entry = findSourceMap(path)?.findEntry(Number(line) - 1, Number(column) - 1);
    if (entry === undefined || !("originalSource" in entry)) return place;
    return `${entry.originalSource}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  });
}
