import { argv, stdout } from "node:process";
import { setTimeout as delay } from "node:timers/promises";

import { pause } from "../../mcp-server/pause.ts";
import { makeScheduler } from "../../mcp-server/scheduler.ts";
import { openState, readConfiguration, type Context } from "../../shared/index.ts";

/*
 * A host that shares work, for the tests: `cluster-worker STATE CONFIGURATION REDIS`. Each change waits longer than
 * the one before, and is told, so that the host can be stopped in the middle of a job.
 */

const [, , stateDirectory = "", file = "", redisUrl = ""] = argv;
const state = openState(stateDirectory);
const say = (text: string) => stdout.write(`${text}\n`);

function contextFor(signal: AbortSignal): Context {
  let fences = 0;
  return {
    now: () => Date.now(),
    signal,
    progress: () => undefined,
    log: () => undefined,
    state: () => state,
    stateDirectory,
    redisUrl,
    configuration: readConfiguration(file, true),
    fence: async () => {
      fences += 1;
      const number = fences;
      await delay(number < 4 ? 100 * number : 1000);
      say(`passed ${number}`);
    },
  };
}

const scheduler = makeScheduler({
  contextFor,
  log: (message, fields) => say(`log ${message} ${JSON.stringify(fields ?? {})}`),
  notify: ({ part, outcome, reason }) => say(`told ${outcome} ${part} ${reason}`),
  wait: (ms, signal) => pause(Math.min(ms, 200), signal),
});
process.once("SIGTERM", () => {
  void scheduler.stop().then(() => {
    state.close();
    say("stopped");
    process.exit(0);
  });
});
await scheduler.start();
say("ready");
