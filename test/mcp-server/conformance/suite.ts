import { execFile } from "node:child_process";
import { execPath } from "node:process";
import { fileURLToPath } from "node:url";

/** The conformance suite, as published and as it will be. */
const SUITES = {
  published: import.meta.resolve("@modelcontextprotocol/conformance/dist/index.js"),
  next: import.meta.resolve("mcp-conformance-next/dist/index.js"),
} as const;

/** What the suite said of one scenario. */
interface Verdict {
  readonly passed: number;
  readonly failed: number;
}

/** What the suite said: its exit code, and a verdict by scenario. `output` is for the message of an assertion. */
export interface SuiteResult {
  readonly code: number;
  readonly scenarios: ReadonlyMap<string, Verdict>;
  readonly output: string;
}

/** Runs the suite against a server, and reads what it printed. */
export async function runSuite(
  suite: keyof typeof SUITES,
  url: string,
  words: readonly string[],
): Promise<SuiteResult> {
  const main = fileURLToPath(SUITES[suite]);
  const args = [main, "server", "--url", url, ...words];
  const { code, output } = await new Promise<{ code: number; output: string }>((resolve) => {
    execFile(execPath, args, { maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), output: stdout + stderr });
    });
  });
  const scenarios = new Map<string, Verdict>();
  for (const [, name = "", passed, failed] of output.matchAll(/^[✓✗] ([a-z0-9-]+): (\d+) passed, (\d+) failed/gm)) {
    scenarios.set(name, { passed: Number(passed), failed: Number(failed) });
  }
  return { code, scenarios, output };
}
