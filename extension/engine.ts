import { fork, type ChildProcess } from "node:child_process";
import { join } from "node:path";

import * as vscode from "vscode";
import {
  createMessageConnection,
  ErrorCodes,
  IPCMessageReader,
  IPCMessageWriter,
  ProgressType,
  ResponseError,
  type MessageConnection,
} from "vscode-jsonrpc/node";

import { jellyfinKeyName } from "./jellyfin-key.ts";
import type { Progress, Questions, Requests } from "./protocol.ts";
import { coreSettings } from "./settings.ts";

/** How a request can be followed and stopped. */
export interface Following {
  readonly token?: vscode.CancellationToken;
  readonly progress?: (progress: Progress) => void;
}

/** The worker process that does all the work: the editor's extension host only asks. */
export interface Engine extends vscode.Disposable {
  /** Asks the worker, starting it when it does not run. Throws {@link EngineError}. */
  request<K extends keyof Requests>(name: K, params: Requests[K][0], following?: Following): Promise<Requests[K][1]>;
  /** Whether the worker runs. */
  readonly isRunning: boolean;
}

/** Why a request failed, as a person reads it. `code` is one of the core's error codes. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly code: string;
  readonly hint: string | undefined;

  constructor(code: string, message: string, hint: string | undefined) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

const PROGRESS = new ProgressType<Progress>();

/**
 * Makes the engine; nothing is started before the first request. When the editor goes away the worker finishes the
 * file it is at, notes that the run was cancelled, and ends.
 */
export function makeEngine(extension: vscode.ExtensionContext, log: vscode.LogOutputChannel): Engine {
  let running: { readonly child: ChildProcess; readonly connection: MessageConnection } | undefined;
  let requests = 0;

  const stop = () => {
    const ended = running;
    running = undefined;
    ended?.connection.dispose();
    if (ended?.child.connected === true) ended.child.disconnect();
  };

  const start = () => {
    const child = fork(join(extension.extensionPath, "dist", "worker.js"), [], {
      // Threads for calls of the file system: those that hang on a dead share leave some for all others.
      env: { UV_THREADPOOL_SIZE: "16", ...process.env, ELECTRON_RUN_AS_NODE: "1" },
      execArgv: [],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    child.stdout?.on("data", (data: Buffer) => log.debug(`worker: ${data.toString().trim()}`));
    child.stderr?.on("data", (data: Buffer) => log.warn(`worker: ${data.toString().trim()}`));
    const connection = createMessageConnection(new IPCMessageReader(child), new IPCMessageWriter(child));
    const started = { child, connection };
    const failed = (how: string) => {
      if (running !== started) return;
      log.error(`the worker ended unexpectedly (${how}); the next command starts it again`);
      stop();
    };
    child.once("error", (error) => failed(error.message));
    child.once("exit", (code, signal) => failed(signal ?? `code ${code}`));
    connection.onRequest("jellyfinKey", async (server: Questions["jellyfinKey"][0]) => {
      const key: Questions["jellyfinKey"][1] = (await extension.secrets.get(jellyfinKeyName(server))) ?? null;
      return key;
    });
    connection.listen();
    running = started;
    log.debug(`worker ${child.pid} started`);
    // Requests are taken in the order they come, so none runs without the settings.
    configure(connection);
    return started;
  };

  const configure = (connection: MessageConnection) => {
    // Settings that cannot be used are said by the next request, too: it fails with the same words.
    connection
      .sendRequest("configure", { params: coreSettings() })
      .catch((error: unknown) => log.warn(errorText(toEngineError(error))));
  };

  const watching = vscode.workspace.onDidChangeConfiguration((event) => {
    if (event.affectsConfiguration("cacheOps") && running !== undefined) configure(running.connection);
  });
  // A workspace that is trusted now brings its settings along.
  const trusting = vscode.workspace.onDidGrantWorkspaceTrust(() => {
    if (running !== undefined) configure(running.connection);
  });

  return {
    get isRunning() {
      return running !== undefined;
    },
    async request(name, params, { token, progress } = {}) {
      const { connection } = running ?? start();
      const id = (requests += 1);
      const reporting = progress && connection.onProgress(PROGRESS, id, progress);
      try {
        return await connection.sendRequest(name, { id, params }, token ?? NEVER);
      } catch (error) {
        throw toEngineError(error);
      } finally {
        reporting?.dispose();
      }
    },
    dispose() {
      watching.dispose();
      trusting.dispose();
      stop();
    },
  };
}

const NEVER: vscode.CancellationToken = new vscode.CancellationTokenSource().token;

function toEngineError(error: unknown): EngineError {
  if (error instanceof ResponseError && error.code !== ErrorCodes.PendingResponseRejected) {
    const { code, hint } = (error.data ?? {}) as { readonly code?: string; readonly hint?: string };
    return new EngineError(code ?? "internal", error.message, hint);
  }
  return new EngineError(
    "unavailable",
    "the worker ended before it answered",
    "Nothing is lost: run the command again to go on, or see the History for what was done and to undo it.",
  );
}

/** An error as the output channel shows it. */
export function errorText(error: unknown): string {
  if (error instanceof EngineError) {
    const { message, hint } = error;
    return hint === undefined ? message : `${message}${/[.!?]$/.test(message) ? "" : "."} ${hint}`;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
