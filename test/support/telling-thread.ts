import { parentPort, threadId } from "node:worker_threads";

/* A thread that takes its time for each batch, doing nothing, and answers with its number. */

const TIME_MS = 20;
const nothing = new Int32Array(new SharedArrayBuffer(4));

parentPort?.on("message", () => {
  Atomics.wait(nothing, 0, 0, TIME_MS);
  parentPort?.postMessage(threadId);
});
