import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stdout } from "node:process";
import { fileURLToPath } from "node:url";

import type { Page } from "playwright-core";

import { openWindow } from "./browser.ts";
import { bundleSuites } from "./bundle.ts";
import { GREP, OUTPUT, RESULT, type SuiteResult } from "./inside.ts";
import { startServer, type ServerOptions } from "./server.ts";

/** The extension as it stands in this repository. */
export const EXTENSION = fileURLToPath(new URL("../../extension", import.meta.url));

/** What runs, and in what. */
export interface SuiteOptions extends ServerOptions {
  /** The suites, by path; all of `suites/` by default. */
  readonly suites?: readonly string[];
  /** Only tests whose full title matches. */
  readonly grep?: string;
  /** Development extension. By default the one of this repository, or with `vsix` an empty one. */
  readonly extension?: string;
  /** The folder to open; an empty one by default. */
  readonly folder?: string;
  readonly timeoutMs?: number;
  /** Gets mocha's output as it comes; by default it goes to standard output. */
  readonly print?: (text: string) => void;
}

/** One run of suites: the directory with the bundle, what the host must know, and what came back. */
export interface SuiteRun {
  readonly place: string;
  /** The module with `run`. */
  readonly tests: string;
  readonly env: NodeJS.ProcessEnv;
  /** The result, once the host ended with this exit code. Throws if there is none to trust. */
  finish(code: number): SuiteResult;
  /** Ends printing and removes the directory. */
  close(): void;
}

/**
 * Runs suites in the extension host of a real VS Code, with mocha. Failing tests are in the result; it throws when there
 * is no result to trust: no tests, a host that died or hung, an exit code at odds with the result.
 */
export async function runSuites(options: SuiteOptions = {}): Promise<SuiteResult> {
  const run = await prepareRun(options);
  try {
    const env = { ...options.env, ...run.env };
    const extension = options.vsix === undefined ? EXTENSION : makeEmptyExtension(run.place);
    return run.finish(await runInServer({ extension, ...options, env, tests: run.tests }));
  } finally {
    run.close();
  }
}

/** VS Code runs tests only beside a development extension, which must not hide the installed one. */
function makeEmptyExtension(place: string): string {
  const directory = join(place, "empty");
  mkdirSync(directory);
  const manifest = { name: "empty", publisher: "cache-ops", version: "0.0.0", engines: { vscode: "*" } };
  writeFileSync(join(directory, "package.json"), JSON.stringify(manifest));
  return directory;
}

/** Bundles the suites and starts to print what they say. */
export async function prepareRun(options: Pick<SuiteOptions, "suites" | "grep" | "print">): Promise<SuiteRun> {
  const place = mkdtempSync(join(tmpdir(), "cache-ops-suites-"));
  const output = join(place, "output.txt");
  const result = join(place, "result.json");
  writeFileSync(output, "");
  const { print = (text) => stdout.write(text) } = options;
  const printNew = followFile(output, print);
  const timer = setInterval(printNew, 200);
  const close = () => {
    clearInterval(timer);
    printNew();
    rmSync(place, { recursive: true, force: true });
  };
  try {
    const tests = await bundleSuites(join(place, "bundle"), options.suites);
    const grep = options.grep === undefined ? {} : { [GREP]: options.grep };
    return {
      place,
      tests,
      env: { [OUTPUT]: output, [RESULT]: result, ...grep },
      finish: (code) => judge(result, code),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** VS Code ends with 0 also when its extension host was killed, so the code alone says nothing. */
function judge(path: string, code: number): SuiteResult {
  if (!existsSync(path)) throw new Error(`the extension host ended before the suites did (exit code ${code})`);
  const result = JSON.parse(readFileSync(path, "utf8")) as SuiteResult;
  const { tests, passes, failures } = result;
  if (tests === 0) throw new Error("there were no tests");
  if (failures.length === 0 && (code !== 0 || passes !== tests))
    throw new Error(`${passes} of ${tests} tests passed, none failed, and VS Code ended with exit code ${code}`);
  return result;
}

/** How `runInServer` is told what to run. */
export interface ServerRunOptions extends ServerOptions {
  readonly extension: string;
  readonly tests: string;
  readonly folder?: string;
  readonly timeoutMs?: number;
}

/** Runs the tests in a VS Code server with a window; returns the exit code that VS Code gives. */
export async function runInServer(options: ServerRunOptions): Promise<number> {
  const { timeoutMs = 240_000, extension, tests } = options;
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "cache-ops-folder-"));
  try {
    const server = await startServer(options);
    try {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      promise.catch(() => undefined);
      const lines: string[] = [];
      const prepare = async (page: Page) => {
        await page.exposeFunction("codeAutomationLog", (type: string, words: unknown[]) => {
          lines.push(`${type} ${words.map(String).join(" ").split("\n", 1)[0]?.slice(0, 200)}`);
        });
        await page.exposeFunction("codeAutomationExit", (code: number) => resolve(code));
        page.on("crash", () => reject(new Error("VS Code's page crashed")));
        page.on("close", () => reject(new Error("VS Code's page was closed")));
      };
      const window = await openWindow(server, { folder, extension, tests, prepare });
      const timer = setTimeout(() => {
        reject(new Error(`no result after ${timeoutMs} ms. VS Code said last:\n${lines.slice(-20).join("\n")}`));
      }, timeoutMs);
      try {
        return await promise;
      } finally {
        clearTimeout(timer);
        await window.close();
      }
    } finally {
      await server.stop();
    }
  } finally {
    if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/** A function that passes on what was appended to a file since it was last called, in whole lines. */
function followFile(path: string, print: (text: string) => void): () => void {
  let shown = 0;
  return () => {
    const file = openSync(path, "r");
    try {
      const buffer = Buffer.alloc(1 << 16);
      for (;;) {
        const count = readSync(file, buffer, 0, buffer.length, shown);
        const end = buffer.lastIndexOf("\n", count - 1) + 1;
        if (count === 0 || end === 0) return;
        print(buffer.toString("utf8", 0, end));
        shown += end;
      }
    } finally {
      closeSync(file);
    }
  };
}

/** Fails with what failed inside. */
export function demandSuccess({ tests, failures }: SuiteResult): void {
  if (failures.length === 0) return;
  const list = failures.map(({ title, message }) => `${title}\n${message.replaceAll(/^/gm, "  ")}`).join("\n\n");
  throw new Error(`${failures.length} of ${tests} tests failed in VS Code:\n\n${list}`);
}
