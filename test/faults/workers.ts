import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

import { programOf } from "../support/program.ts";
import { faultEnvironment } from "./fault.ts";
import type { FaultAnswer, FaultRequest } from "./fault-worker.program.ts";

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
  return startProgram<FaultRequest, FaultAnswer>("faults/fault-worker");
}

/** Starts a program; what it says on standard error is shown. */
export async function startProgram<Question, Answer>(name: string): Promise<Program<Question, Answer>> {
  const child = spawn(process.execPath, [programOf(name)], {
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
