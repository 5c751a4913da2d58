import { randomBytes } from "node:crypto";

import * as vscode from "vscode";

import type { Dashboard } from "./dashboard/figures.ts";
import { pageHtml } from "./dashboard/html.ts";
import { toFromPage, type FromPage, type ToPage } from "./dashboard/messages.ts";
import type { Editor } from "./editor.ts";
import { EngineError, errorText } from "./engine.ts";
import type { Progress } from "./protocol.ts";

const VIEW_TYPE = "cacheOps.dashboard";

let current: vscode.WebviewPanel | undefined;

/** Shows the dashboard: the one there is, or a new one, which looks at the libraries if nobody did. */
export async function openDashboard(editor: Editor): Promise<void> {
  if (current !== undefined) {
    current.reveal();
    return;
  }
  const panel = vscode.window.createWebviewPanel(VIEW_TYPE, "Cache Ops", vscode.ViewColumn.Active, {
    enableFindWidget: true,
  });
  showIn(panel, editor, true);
}

/**
 * Lets a dashboard that was open come back with the window. It shows what it showed then, and says of when that is;
 * nothing is looked at before somebody asks.
 */
export function registerDashboard(editor: Editor): void {
  const serializer: vscode.WebviewPanelSerializer = {
    async deserializeWebviewPanel(panel) {
      if (current === undefined) showIn(panel, editor, false);
      else panel.dispose();
    },
  };
  editor.extension.subscriptions.push(vscode.window.registerWebviewPanelSerializer(VIEW_TYPE, serializer));
}

/** Makes a panel the dashboard. Its page is made anew whenever the panel comes to the front. */
function showIn(panel: vscode.WebviewPanel, editor: Editor, isAskedFor: boolean): void {
  current = panel;
  const { webview } = panel;
  const stop = new vscode.CancellationTokenSource();
  let dashboard: Dashboard | undefined;
  let isOutdated = isAskedFor;
  let gathering: Promise<void> | undefined;

  const post = (message: ToPage) => void webview.postMessage(message);
  const following = {
    token: stop.token,
    progress: (made: Progress) => post({ type: "working", text: progressText(made) }),
  };

  const gather = async (refresh: boolean) => {
    post({ type: "working", text: "" });
    try {
      await editor.libraries.look(refresh, following);
      do {
        isOutdated = false;
        dashboard = await editor.engine.request("dashboard", {}, following);
      } while (isOutdated);
      post({ type: "figures", dashboard });
    } catch (error) {
      if (stop.token.isCancellationRequested) return;
      isOutdated = true;
      editor.log.warn(errorText(error));
      const hint = error instanceof EngineError ? (error.hint ?? null) : null;
      post({ type: "failed", message: error instanceof Error ? error.message : String(error), hint });
    }
  };
  const update = (refresh = false) => {
    gathering ??= gather(refresh).finally(() => {
      gathering = undefined;
    });
  };
  /** What is shown is no longer true. A page that is not there asks when it is. */
  const outdate = () => {
    isOutdated = true;
    if (panel.visible) update();
  };

  const hear = async (message: FromPage) => {
    switch (message.type) {
      case "ready":
        if (isOutdated || (dashboard === undefined && !message.hasFigures)) update();
        else if (dashboard !== undefined) post({ type: "figures", dashboard });
        return;
      case "refresh":
        update(true);
        return;
      case "undo":
        await vscode.commands.executeCommand("cacheOps.undo", { run: message.run });
        outdate();
        return;
      case "cleanup":
        await vscode.commands.executeCommand("cacheOps.cleanup");
        return;
      case "configure":
        await vscode.commands.executeCommand("cacheOps.configureLibrary");
        return;
      case "log":
        await vscode.commands.executeCommand("cacheOps.showLog");
    }
  };

  const garbage = [
    stop,
    editor.libraries.onDidLook(outdate),
    editor.runs.onDidChange(outdate),
    webview.onDidReceiveMessage((received: unknown) => {
      const message = toFromPage(received);
      if (message === undefined) editor.log.warn("the dashboard sent a message that is none");
      else hear(message).catch((error: unknown) => editor.log.error(errorText(error)));
    }),
  ];
  panel.onDidDispose(() => {
    current = undefined;
    stop.cancel();
    for (const item of garbage) item.dispose();
  });

  const place = vscode.Uri.joinPath(editor.extension.extensionUri, "dist");
  webview.options = { enableScripts: true, localResourceRoots: [place] };
  panel.iconPath = new vscode.ThemeIcon("graph");
  webview.html = pageHtml({
    script: webview.asWebviewUri(vscode.Uri.joinPath(place, "dashboard.js")).toString(),
    style: webview.asWebviewUri(vscode.Uri.joinPath(place, "dashboard.css")).toString(),
    source: webview.cspSource,
    nonce: randomBytes(18).toString("base64"),
    locale: vscode.env.language,
  });
}

function progressText({ message, done, total }: Progress): string {
  const count = done.toLocaleString(vscode.env.language);
  return total === undefined
    ? `${message}: ${count}`
    : `${message}: ${count} of ${total.toLocaleString(vscode.env.language)}`;
}
