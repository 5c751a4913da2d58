import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { build } from "esbuild";

import { atEnd } from "../support/at-end.ts";
import { faultEnvironment } from "./fault.ts";
import type { FaultAnswer, FaultRequest } from "./fault-worker.ts";

/** A process that carries out commit paths with faults in them. */
export interface FaultWorker {
  /** `undefined`: it was killed. Throws when it does not answer within {@link ANSWER_SECONDS}. */
  ask(request: FaultRequest): Promise<FaultAnswer | undefined>;
  /** Ends it. */
  stop(): void;
}

/** No operation of a commit path takes this long. */
const ANSWER_SECONDS = 120;

/** Starts a worker; what it says itself on standard error is shown. */
export async function startWorker(): Promise<FaultWorker> {
  const child = spawn(process.execPath, [await bundleOf("fault-worker")], {
    env: faultEnvironment(),
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  // A worker that was killed cannot be written to.
  child.stdin.on("error", () => undefined);
  return {
    async ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const late = Promise.withResolvers<never>();
      const timer = setTimeout(
        () => late.reject(new Error(`no answer within ${ANSWER_SECONDS} s`)),
        ANSWER_SECONDS * 1000,
      );
      try {
        const { value, done } = await Promise.race([lines.next(), late.promise]);
        return done === true ? undefined : (JSON.parse(value) as FaultAnswer);
      } finally {
        clearTimeout(timer);
      }
    },
    stop: () => void child.kill("SIGKILL"),
  };
}

let bundles: Promise<string> | undefined;

/** A program of this directory in one file: it is started thousands of times. */
export async function bundleOf(program: "fault-worker" | "power-worker" | "lock-counter"): Promise<string> {
  return join(await (bundles ??= bundle()), `${program}.js`);
}

async function bundle(): Promise<string> {
  // Inside the repository: packages that stay outside of the bundles are found from there.
  const directory = mkdtempSync(join(import.meta.dirname, "../../node_modules/.cache-ops-faults-"));
  atEnd(() => rmSync(directory, { recursive: true, force: true }));
  const shared = join(import.meta.dirname, "../../shared");
  await build({
    entryPoints: {
      "fault-worker": join(import.meta.dirname, "fault-worker.ts"),
      "power-worker": join(import.meta.dirname, "power-worker.ts"),
      "lock-counter": join(import.meta.dirname, "lock-counter.ts"),
      "lock-keeper": join(shared, "lock-keeper.ts"),
      "scan-thread": join(shared, "caches/directory/scan-thread.ts"),
    },
    outdir: directory,
    bundle: true,
    splitting: true,
    platform: "node",
    format: "esm",
    target: "node24",
    packages: "external",
    logLevel: "warning",
  });
  return directory;
}
