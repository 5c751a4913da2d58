import { join } from "node:path";
import { execPath } from "node:process";

import type * as vscode from "vscode";

import type { Editor } from "./editor.ts";
import { jellyfinKeyName } from "./jellyfin-key.ts";
import { writePrivateFile } from "./private-file.ts";

/** How to run the command line that the extension brings along. */
export interface CommandLine {
  readonly command: string;
  /** The program; the words of a command follow it. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The command line without a word of where things are: for showing what would be run. */
export function bareCommandLine({ extension }: Pick<Editor, "extension">): CommandLine {
  const script = join(extension.extensionPath, "dist", "cache-ops.js");
  return { command: execPath, args: [script], env: { ELECTRON_RUN_AS_NODE: "1" } };
}

/**
 * The command line as a face of this editor: on the same history, with the libraries and rules that are in force here.
 * Those are written to a file of the workspace's storage, so that windows do not disturb each other. API keys of Jellyfin
 * servers go along in the environment, which is no place to show. Starts the worker; throws its errors, and then an
 * earlier file is as it was.
 */
export async function prepareCommandLine(editor: Editor, token: vscode.CancellationToken): Promise<CommandLine> {
  const { stateDirectory, configuration, keyVariables } = await editor.engine.request("places", {}, { token });
  const storage = editor.extension.storageUri ?? editor.extension.globalStorageUri;
  const file = join(storage.fsPath, "config.json");
  await writePrivateFile(file, `${JSON.stringify(configuration, null, 2)}\n`);
  const bare = bareCommandLine(editor);
  const env: Record<string, string> = { ...bare.env, CACHE_OPS_STATE_DIR: stateDirectory, CACHE_OPS_CONFIG: file };
  for (const server of configuration.jellyfin) {
    const [variable, key] = [keyVariables[server.name], await editor.extension.secrets.get(jellyfinKeyName(server))];
    if (variable !== undefined && key !== undefined) env[variable] = key;
  }
  return { ...bare, env };
}
