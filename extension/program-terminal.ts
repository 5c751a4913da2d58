import { spawn, type ChildProcess } from "node:child_process";

import type * as vscode from "vscode";

import type { CommandLine } from "./command-line.ts";

/** What a terminal needs of the editor to be shown. */
export interface Emitters {
  readonly write: vscode.EventEmitter<string>;
  /** Takes the exit code. */
  readonly close: vscode.EventEmitter<number>;
}

/** How long a stopped program may take to reach its next safe point before it is killed, in milliseconds. */
const STOP_MS = 10_000;
const CTRL_C = "\u0003";

/**
 * A terminal that runs one command and ends with its exit code. Closing it, or Ctrl-C, interrupts the command: it stops
 * at its next safe point; when it does not, it is killed.
 */
export function programTerminal(
  prepare: () => Promise<CommandLine>,
  words: readonly string[],
  cwd: string | undefined,
  { write, close }: Emitters,
): vscode.Pseudoterminal {
  let child: ChildProcess | undefined;
  let isClosed = false;

  const show = (text: string) => write.fire(text.replaceAll(/\r?\n/g, "\r\n"));
  const stop = () => {
    isClosed = true;
    const running = child;
    if (running === undefined || running.exitCode !== null) return;
    running.kill("SIGINT");
    setTimeout(() => running.exitCode ?? running.kill("SIGKILL"), STOP_MS).unref();
  };
  const run = async () => {
    const { command, args, env } = await prepare();
    if (isClosed) return;
    child = spawn(command, [...args, ...words], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout?.setEncoding("utf8").on("data", show);
    child.stderr?.setEncoding("utf8").on("data", show);
    child.once("error", (error) => show(`${error.message}\n`));
    // Without a code it was ended by a signal.
    child.once("close", (code) => close.fire(code ?? 130));
  };
  return {
    onDidWrite: write.event,
    onDidClose: close.event,
    open() {
      run().catch((error: unknown) => {
        show(`${error instanceof Error ? error.message : String(error)}\n`);
        close.fire(70);
      });
    },
    close: stop,
    handleInput: (text) => (text === CTRL_C ? stop() : undefined),
  };
}
