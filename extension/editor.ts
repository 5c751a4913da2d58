import type * as vscode from "vscode";

import type { Engine } from "./engine.ts";
import type { Libraries } from "./libraries.ts";
import type { Runs } from "./runs.ts";

/** What every part of the extension works with. */
export interface Editor {
  readonly extension: vscode.ExtensionContext;
  readonly engine: Engine;
  readonly log: vscode.LogOutputChannel;
  readonly libraries: Libraries;
  readonly runs: Runs;
}
