import * as vscode from "vscode";

import type { Editor } from "./editor.ts";
import { jellyfinKeyName } from "./jellyfin-key.ts";
import { openSettings } from "./open-settings.ts";
import { withoutIcons } from "./plain.ts";
import { isReadableOnTheWay } from "./remote-servers.ts";

/** Asks for the API key of a Jellyfin server, by default of one to be chosen, and keeps or forgets it. */
export async function setJellyfinKey(editor: Editor, name: string | undefined): Promise<void> {
  const { secrets } = editor.extension;
  const servers = (await editor.engine.request("places", {})).configuration.jellyfin;
  if (servers.length === 0) {
    const open = "Open Settings";
    const text = "Cache Ops: no Jellyfin server is named in the setting cacheOps.jellyfin.";
    if ((await vscode.window.showInformationMessage(text, open)) === open) await openSettings("cacheOps.jellyfin");
    return;
  }
  const server = servers.find((known) => known.name === name) ?? (await choose(editor, servers));
  if (server === undefined) return;
  const warning = isReadableOnTheWay(server) ? " It is not encrypted: others on the network can read the key." : "";
  const typed = await vscode.window.showInputBox({
    title: `API key of ${server.name}`,
    prompt: `Jellyfin makes one in its dashboard, under API Keys.${warning} Leave it empty to forget the present one.`,
    password: true,
    ignoreFocusOut: true,
  });
  if (typed === undefined) return;
  const key = typed.trim();
  if (key === "") await secrets.delete(jellyfinKeyName(server));
  else await secrets.store(jellyfinKeyName(server), key);
  const what = key === "" ? "The API key of" : "There is an API key for";
  void vscode.window.showInformationMessage(
    `Cache Ops: ${what} ${server.name}${key === "" ? " is forgotten." : " now."}`,
  );
}

async function choose(
  { extension }: Editor,
  servers: readonly { readonly name: string; readonly url: string }[],
): Promise<{ readonly name: string; readonly url: string } | undefined> {
  const items = await Promise.all(
    servers.map(async (server) => {
      const isSet = (await extension.secrets.get(jellyfinKeyName(server))) !== undefined;
      const detail = isSet ? "A key is set." : "No key here; one in the environment would be used.";
      return { label: server.name, description: withoutIcons(server.url), detail, server };
    }),
  );
  return (await vscode.window.showQuickPick(items, { title: "API key of a Jellyfin server" }))?.server;
}
