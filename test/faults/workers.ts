import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { build } from "esbuild";

import { atEnd } from "../support/at-end.ts";
import { faultEnvironment } from "./fault.ts";
import type { FaultAnswer, FaultRequest } from "./fault-worker.ts";

/** A process that answers each line of JSON with a line of JSON, and in which calls can be made to fail. */
export interface Program<Question, Answer> {
  /** `undefined`: it was killed. Throws when it does not answer within {@link ANSWER_SECONDS}. */
  ask(question: Question): Promise<Answer | undefined>;
  /** Ends it. */
  stop(): void;
}

/** One that carries out commit paths with faults in them. */
export type FaultWorker = Program<FaultRequest, FaultAnswer>;

/** No answer takes this long. */
const ANSWER_SECONDS = 120;

/** Starts one that carries out commit paths. */
export function startWorker(): Promise<FaultWorker> {
  return startProgram<FaultRequest, FaultAnswer>("fault-worker");
}

/** Starts a program; what it says on standard error is shown. */
export async function startProgram<Question, Answer>(
  name: Parameters<typeof bundleOf>[0],
): Promise<Program<Question, Answer>> {
  const child = spawn(process.execPath, [await bundleOf(name)], {
    env: faultEnvironment(),
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  // One that was killed cannot be written to.
  child.stdin.on("error", () => undefined);
  return {
    async ask(question) {
      child.stdin.write(`${JSON.stringify(question)}\n`);
      const late = Promise.withResolvers<never>();
      const timer = setTimeout(
        () => late.reject(new Error(`no answer within ${ANSWER_SECONDS} s`)),
        ANSWER_SECONDS * 1000,
      );
      try {
        const { value, done } = await Promise.race([lines.next(), late.promise]);
        return done === true ? undefined : (JSON.parse(value) as Answer);
      } finally {
        clearTimeout(timer);
      }
    },
    stop: () => void child.kill("SIGKILL"),
  };
}

const PROGRAMS = ["fault-worker", "power-worker", "lock-counter", "presence-worker"] as const;

let bundles: Promise<string> | undefined;

/** A program of this directory in one file: it is started thousands of times. */
export async function bundleOf(program: (typeof PROGRAMS)[number]): Promise<string> {
  return join(await (bundles ??= bundle()), `${program}.js`);
}

async function bundle(): Promise<string> {
  // Inside the repository: packages that stay outside of the bundles are found from there.
  const directory = mkdtempSync(join(import.meta.dirname, "../../node_modules/.cache-ops-faults-"));
  atEnd(() => rmSync(directory, { recursive: true, force: true }));
  const shared = join(import.meta.dirname, "../../shared");
  await build({
    entryPoints: {
      ...Object.fromEntries(PROGRAMS.map((name) => [name, join(import.meta.dirname, `${name}.ts`)])),
      "lock-keeper": join(shared, "lock-keeper.ts"),
      "scan-thread": join(shared, "caches/directory/scan-thread.ts"),
    },
    outdir: directory,
    bundle: true,
    splitting: true,
    platform: "node",
    format: "esm",
    target: "node24",
    external: ["dockerode"],
    // Some packages are CommonJS inside.
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    logLevel: "warning",
  });
  return directory;
}
