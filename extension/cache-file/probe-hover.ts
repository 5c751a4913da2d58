import { dirname, join } from "node:path";

import type { InspectedEntry } from "@cache-ops/shared";

import * as vscode from "vscode";

import type { Editor } from "../editor.ts";
import { EngineError, errorText, type Engine } from "../engine.ts";
import type { ProbedMedia } from "../protocol.ts";
import { editorSettings } from "../settings.ts";
import { clipped } from "./facts.ts";
import { linkTo } from "./hover.ts";
import type { CacheFiles } from "./model.ts";
import { probedLines } from "./probed-facts.ts";

/** How long a hover waits for ffprobe, in milliseconds: then it says how to go on. */
const PATIENCE_MS = 3000;

/**
 * Says what ffprobe says of the media of the entry under the pointer: from the central cache, or probed for it. It is
 * a hover of its own, so that the editor shows at once what is known of the entry. A workspace that is not trusted
 * could bring along files made to be probed: there nothing is.
 */
export function probeHoverProvider({ engine }: Editor, files: CacheFiles): vscode.HoverProvider {
  return {
    async provideHover(document, position, token) {
      if (!vscode.workspace.isTrusted || !editorSettings().probesOnHover) return undefined;
      const found = await files.entryAt(document, position, token);
      if (found === undefined) return undefined;
      const { entry, range } = found;
      if (entry.name === null || !hasMedia(entry)) return undefined;
      const path = join(dirname(document.uri.fsPath), entry.name);
      const text = await textOf(path, engine, token);
      return text && new vscode.Hover(text, range);
    },
  };
}

/** Whether the media of an entry lies under its name in the directory of the cache. */
function hasMedia({ problem }: InspectedEntry): boolean {
  return problem === null || problem === "changed" || problem === "superseded" || problem === "expired";
}

async function textOf(
  path: string,
  engine: Engine,
  token: vscode.CancellationToken,
): Promise<vscode.MarkdownString | undefined> {
  try {
    const probed = await probeInTime(path, engine, token);
    return probed === null ? undefined : describe(path, probed);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    if (error.code === "interrupted") return undefined;
    return markdown((text) => text.appendText(clipped(errorText(error), 300)));
  }
}

/** What ffprobe says, or `undefined` when it takes too long; then, and when the hover is gone, it is stopped. */
async function probeInTime(
  path: string,
  engine: Engine,
  token: vscode.CancellationToken,
): Promise<ProbedMedia | undefined> {
  const stop = new vscode.CancellationTokenSource();
  const listening = token.onCancellationRequested(() => stop.cancel());
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => {
    resolve(undefined);
    stop.cancel();
  }, PATIENCE_MS);
  try {
    return await Promise.race([engine.request("probedMedia", { path }, { token: stop.token }), late]);
  } finally {
    clearTimeout(timer);
    listening.dispose();
  }
}

function describe(path: string, probed: Exclude<ProbedMedia, null> | undefined): vscode.MarkdownString {
  return markdown((text) => {
    if (probed === undefined) {
      text.appendText(`No answer within ${PATIENCE_MS / 1000} s.`);
      const link = linkTo({
        command: "cacheOps.probe",
        title: "Probe now",
        argument: { paths: [path], detail: "full" },
      });
      text.appendMarkdown(` ${link}, and the next hover shows the result.`);
    } else if (probed.state === "failed") {
      text.appendText(`It can make nothing of this file: ${clipped(probed.message, 300)}`);
    } else {
      for (const [index, line] of probedLines(probed).entries()) {
        if (index > 0) text.appendMarkdown("  \n");
        text.appendText(line);
      }
    }
  });
}

function markdown(fill: (text: vscode.MarkdownString) => void): vscode.MarkdownString {
  const text = new vscode.MarkdownString();
  text.isTrusted = { enabledCommands: ["cacheOps.probe"] };
  text.appendMarkdown("**ffprobe**  \n");
  fill(text);
  return text;
}
