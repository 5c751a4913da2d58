import { spawnSync } from "node:child_process";
import { env as ownEnvironment, execPath } from "node:process";
import { fileURLToPath } from "node:url";

import { makePlace } from "./place.ts";

/** What a command line run left behind. `json` parses standard output. */
export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  json<T = Record<string, unknown>>(): T;
}

/** The command line: from source, or, for the whole test run, as it was built, which starts three times as fast. */
export const PROGRAM = fileURLToPath(
  new URL(
    ownEnvironment["CACHE_OPS_TEST_BUILT"] === "1" ? "../../cli/dist/cache-ops.js" : "../../cli/main.ts",
    import.meta.url,
  ),
);

/** Environment for a command line whose state and configuration are its own. */
export function cliEnvironment(state = makePlace("state"), config?: string): NodeJS.ProcessEnv {
  const { CACHE_OPS_CONFIG: _, ...env } = process.env;
  return { ...env, CACHE_OPS_STATE_DIR: state, ...(config === undefined ? {} : { CACHE_OPS_CONFIG: config }) };
}

/** Runs the command line, with nothing on standard input and no terminal. */
export function cli(args: readonly string[], env: NodeJS.ProcessEnv, cwd?: string): CliResult {
  const { status, stdout, stderr } = spawnSync(execPath, [PROGRAM, ...args], {
    env,
    cwd,
    encoding: "utf8",
    input: "",
    maxBuffer: 1 << 28,
  });
  return { code: status, stdout, stderr, json: <T>() => JSON.parse(stdout) as T };
}
