import * as vscode from "vscode";

import type { Engine, Following } from "./engine.ts";
import type { SurveySummary } from "./protocol.ts";

/** What is known of the libraries: shared by tree, status bar and decorations, looked at only when asked to. */
export interface Libraries extends vscode.Disposable {
  /** The last look, if there was one since the editor started. */
  readonly summary: SurveySummary | undefined;
  /** Fires after every look, with the directories that were looked at again, or `undefined` for all. */
  readonly onDidLook: vscode.Event<readonly string[] | undefined>;
  /** Looks at the libraries, unless that was done before and `refresh` is not set. */
  look(refresh: boolean, following?: Following): Promise<SurveySummary>;
  /** The root that a place (absolute path) lies in, if a library has it. Looks at the libraries, if nobody did yet. */
  rootOf(place: string): Promise<string | undefined>;
  /** Looks at some directories again, together with those asked for at the same time. */
  lookAgain(directories: readonly string[]): void;
}

/** How long changes are gathered before directories are looked at again, in milliseconds. */
const GATHER_MS = 400;

/** Makes the libraries' model. `onError` hears of looks that nobody waits for. */
export function makeLibraries(engine: Engine, onError: (error: unknown) => void): Libraries {
  const looked = new vscode.EventEmitter<readonly string[] | undefined>();
  const waiting = new Set<string>();
  let summary: SurveySummary | undefined;
  let looking: Promise<SurveySummary> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isWanted = false;

  const lookAtWaiting = async () => {
    timer = undefined;
    const directories = [...waiting];
    waiting.clear();
    try {
      summary = await engine.request("resurvey", { directories });
      looked.fire(directories);
    } catch (error) {
      onError(error);
    }
  };

  // Other libraries, another look; where nobody looked yet nobody is waiting for one.
  const look = async (following?: Following) => {
    looking ??= engine.request("survey", { refresh: true }, following).finally(() => {
      looking = undefined;
    });
    const found = await looking;
    if (summary !== found) {
      summary = found;
      looked.fire(undefined);
    }
    return found;
  };
  const again = async () => {
    if (!isWanted) return;
    // A look that is under way knows only the settings before; its asker hears how it ends.
    await looking?.catch(() => undefined);
    try {
      await look();
    } catch (error) {
      onError(error);
      // Whoever shows libraries asks for them then, and shows what is wrong with the settings.
      summary = undefined;
      looked.fire(undefined);
    }
  };
  const settings = ["libraries", "configurationFile", "timeLimit"].map((name) => `cacheOps.${name}`);
  const listening = vscode.Disposable.from(
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (settings.some((name) => event.affectsConfiguration(name))) void again();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => void again()),
  );

  return {
    get summary() {
      return summary;
    },
    onDidLook: looked.event,
    async look(refresh, following) {
      isWanted = true;
      return summary === undefined || refresh ? look(following) : summary;
    },
    async rootOf(place) {
      const { roots } = await this.look(false);
      return roots
        .map(({ root }) => root)
        .find((root) => place === root || place.startsWith(root.endsWith("/") ? root : `${root}/`));
    },
    lookAgain(directories) {
      // Before the first look there is nothing to bring up to date.
      if (summary === undefined) return;
      for (const directory of directories) waiting.add(directory);
      timer ??= setTimeout(() => void lookAtWaiting(), GATHER_MS);
    },
    dispose() {
      clearTimeout(timer);
      listening.dispose();
      looked.dispose();
    },
  };
}
