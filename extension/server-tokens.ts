import * as vscode from "vscode";

import type { Editor } from "./editor.ts";
import { openSettings } from "./open-settings.ts";
import { isReadableOnTheWay, tokenKey, type RemoteServer } from "./remote-servers.ts";

/**
 * The token of a server, from the editor's secret storage; asked for when there is none. Empty: go without one.
 * `undefined`: the person does not want to connect.
 */
export async function tokenFor({ extension }: Editor, server: RemoteServer): Promise<string | undefined> {
  const known = await extension.secrets.get(tokenKey(server));
  if (known !== undefined) return known;
  const typed = await askForToken(server, "Leave it empty to connect without one.");
  if (typed !== undefined && typed !== "") await extension.secrets.store(tokenKey(server), typed);
  return typed;
}

/** Lets the person choose a server and set or clear its token. Returns whether anything was changed. */
export async function chooseServerToken({ extension }: Editor, servers: readonly RemoteServer[]): Promise<boolean> {
  if (servers.length === 0) {
    const open = "Open Settings";
    const text = "Cache Ops: no server on another host is named in the setting cacheOps.agents.servers.";
    if ((await vscode.window.showInformationMessage(text, open)) === open)
      await openSettings("cacheOps.agents.servers");
    return false;
  }
  const items = await Promise.all(
    servers.map(async (server) => {
      const isSet = (await extension.secrets.get(tokenKey(server))) !== undefined;
      return { label: server.name, description: server.url, detail: isSet ? "A token is set." : "No token.", server };
    }),
  );
  const choice = await vscode.window.showQuickPick(items, { title: "Token of a Cache Ops server" });
  if (choice === undefined) return false;
  const typed = await askForToken(choice.server, "Leave it empty to forget the present one.");
  if (typed === undefined) return false;
  if (typed === "") await extension.secrets.delete(tokenKey(choice.server));
  else await extension.secrets.store(tokenKey(choice.server), typed);
  return true;
}

async function askForToken(server: RemoteServer, how: string): Promise<string | undefined> {
  const { name, url } = server;
  const warning = isReadableOnTheWay(server) ? " It is not encrypted: others on the network can read the token." : "";
  const typed = await vscode.window.showInputBox({
    title: `Token of ${name}`,
    prompt: `${url} writes it to the file mcp-token of its state directory.${warning} ${how}`,
    password: true,
    ignoreFocusOut: true,
    // A token goes into a header: no line breaks, nothing beyond ASCII.
    validateInput: (text) => (/^[\u0021-\u007E]*$/.test(text.trim()) ? undefined : "A token has no blanks in it."),
  });
  return typed?.trim();
}
