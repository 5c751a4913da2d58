import { Configuration, openState, parse, type Context, type State } from "@cache-ops/shared";

import type * as vscode from "vscode";

/** A context for one command: its state lies in the extension's own storage, cancel ends it. */
export function contextFor(
  extension: vscode.ExtensionContext,
  progress: vscode.Progress<{ readonly message?: string }>,
  token: vscode.CancellationToken,
): { readonly context: Context; readonly close: () => void } {
  const stop = new AbortController();
  const listening = token.onCancellationRequested(() => stop.abort());
  let state: State | undefined;
  return {
    context: {
      now: () => Date.now(),
      signal: stop.signal,
      progress: ({ message }) => progress.report({ message }),
      log: () => undefined,
      state: () => (state ??= openState(extension.globalStorageUri.fsPath)),
      configuration: parse(Configuration, {}, "configuration"),
    },
    close: () => {
      listening.dispose();
      state?.close();
    },
  };
}
