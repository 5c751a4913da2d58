import { CacheOpsError, countHanging, type Context } from "@cache-ops/shared";

import {
  createMessageConnection,
  IPCMessageReader,
  IPCMessageWriter,
  ProgressType,
  ResponseError,
  type CancellationToken,
} from "vscode-jsonrpc/node";

import type { CoreSettings, Progress, Requests } from "../protocol.ts";
import { makeDesk } from "./desk.ts";
import { handlers } from "./handlers.ts";

/*
 * The worker: one process beside the editor that does what the core does. It ends when the editor does. What it is at
 * then is stopped at the next safe point, so a run is recorded as cancelled and can be gone on with or undone.
 */

const connection = createMessageConnection(new IPCMessageReader(process), new IPCMessageWriter(process));
const desk = makeDesk((name, params) => connection.sendRequest(name, params));
const progressType = new ProgressType<Progress>();
const ending = new AbortController();
const atWork = new Set<Promise<unknown>>();

connection.onRequest("configure", ({ params }: { params: CoreSettings }) => answer(async () => desk.configure(params)));
for (const name of Object.keys(handlers) as (keyof typeof handlers)[]) {
  connection.onRequest(name, (envelope: { id: number; params: never }, token: CancellationToken) =>
    answer<unknown>(() => handle(name, envelope, token)),
  );
}
connection.listen();

// Whoever stops the editor's server stops everything that it started, the worker too.
for (const event of ["disconnect", "SIGTERM", "SIGINT", "SIGHUP"]) {
  process.once(event, () => {
    ending.abort();
    void Promise.allSettled(atWork).then(() => {
      desk.close();
      // Node would wait for a thread that hangs on a dead share.
      if (countHanging() > 0) process.kill(process.pid, "SIGKILL");
      process.exit(0);
    });
  });
}

/** How often progress is reported at most, in milliseconds. */
const PROGRESS_MS = 100;

async function handle<K extends keyof typeof handlers>(
  name: K,
  { id, params }: { readonly id: number; readonly params: Requests[K][0] },
  token: CancellationToken,
): Promise<Requests[K][1]> {
  const stop = new AbortController();
  const listening = token.onCancellationRequested(() => stop.abort());
  let last = 0;
  const progress = (made: Progress) => {
    const now = Date.now();
    if (now - last < PROGRESS_MS || !process.connected) return;
    last = now;
    void connection.sendProgress(progressType, id, made);
  };
  const context: Context = desk.context(AbortSignal.any([stop.signal, ending.signal]), progress);
  try {
    return await handlers[name](params, context, desk);
  } finally {
    listening.dispose();
  }
}

/** Turns errors into what the editor shows; bugs of ours keep their stack. */
async function answer<T>(work: () => Promise<T>): Promise<T | ResponseError<unknown>> {
  const working = work();
  atWork.add(working);
  try {
    return await working;
  } catch (error) {
    if (error instanceof CacheOpsError) {
      return new ResponseError(1, error.message, { code: error.code, hint: error.hint });
    }
    if (error instanceof Error && error.name === "AbortError") {
      return new ResponseError(1, "stopped on request", { code: "interrupted" });
    }
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return new ResponseError(1, text, { code: "internal", hint: "This is a bug in Cache Ops; please report it." });
  } finally {
    atWork.delete(working);
  }
}
