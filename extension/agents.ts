import { createHash } from "node:crypto";

import * as vscode from "vscode";

import { agentTools } from "./agent-tools.ts";
import { bareCommandLine, prepareCommandLine } from "./command-line.ts";
import type { Editor } from "./editor.ts";
import { showError } from "./invoke.ts";
import { remoteServersIn, type RemoteServer } from "./remote-servers.ts";
import { chooseServerToken, tokenFor } from "./server-tokens.ts";
import { coreSettings, editorSettings } from "./settings.ts";

/** Id of the provider, here and in package.json. */
const PROVIDER = "cacheOps.agents";

/**
 * Offers agents an MCP server on this editor's own history, and the servers on other hosts that the settings name.
 * Nothing is started and no file is written before an agent needs the server.
 */
export function registerAgents(editor: Editor): void {
  const changed = new vscode.EventEmitter<void>();
  const provider: vscode.McpServerDefinitionProvider = {
    onDidChangeMcpServerDefinitions: changed.event,
    provideMcpServerDefinitions() {
      const { offersAgents } = editorSettings();
      return offersAgents ? [ownServer(editor), ...serversOf(editor).map(remoteServer)] : [];
    },
    resolveMcpServerDefinition: (server, token) =>
      server instanceof vscode.McpHttpServerDefinition ? withToken(editor, server) : withPlaces(editor, server, token),
  };
  editor.extension.subscriptions.push(
    changed,
    vscode.lm.registerMcpServerDefinitionProvider(PROVIDER, provider),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("cacheOps")) changed.fire();
    }),
    // A workspace that is trusted now brings its libraries along.
    vscode.workspace.onDidGrantWorkspaceTrust(() => changed.fire()),
    vscode.commands.registerCommand("cacheOps.setServerToken", async () => {
      if (await chooseServerToken(editor, serversOf(editor))) changed.fire();
    }),
  );
}

function ownServer(editor: Editor): vscode.McpStdioServerDefinition {
  const { command, args, env } = bareCommandLine(editor);
  const { version } = editor.extension.extension.packageJSON as { readonly version: string };
  const { agentsReadOnly } = editorSettings();
  const settings = JSON.stringify([coreSettings(), agentsReadOnly]);
  const hash = createHash("sha256").update(settings).digest("hex").slice(0, 8);
  const words = [...args, "mcp", ...(agentsReadOnly ? ["--read-only"] : [])];
  return new vscode.McpStdioServerDefinition("Cache Ops", command, words, { ...env }, `${version}+${hash}`);
}

/**
 * The own server with the places it shares with the editor, and with the tools for the kinds of cache that are there;
 * `undefined`, and a message, when they cannot be had.
 */
async function withPlaces(
  editor: Editor,
  server: vscode.McpStdioServerDefinition,
  token: vscode.CancellationToken,
): Promise<vscode.McpStdioServerDefinition | undefined> {
  try {
    const { env } = await prepareCommandLine(editor, token);
    server.env = { ...env };
    const tools = agentTools((await editor.engine.request("places", {}, { token })).configuration);
    if (tools !== undefined && !server.args.includes(tools)) server.args.push("--tools", tools);
    return server;
  } catch (error) {
    // Not awaited: the editor waits for the server, and a message may stand for long.
    void showError(error, editor.log);
    return undefined;
  }
}

function serversOf({ log }: Editor): readonly RemoteServer[] {
  const { servers, problems } = remoteServersIn(editorSettings().remoteServers);
  for (const problem of problems) log.warn(`cacheOps.agents.servers: ${problem}`);
  return servers;
}

function remoteServer({ name, url }: RemoteServer): vscode.McpHttpServerDefinition {
  return new vscode.McpHttpServerDefinition(`Cache Ops: ${name}`, vscode.Uri.parse(url));
}

async function withToken(
  editor: Editor,
  server: vscode.McpHttpServerDefinition,
): Promise<vscode.McpHttpServerDefinition | undefined> {
  const known = serversOf(editor).find(({ name }) => `Cache Ops: ${name}` === server.label);
  const token = known && (await tokenFor(editor, known));
  if (token === undefined) return undefined;
  if (token !== "") server.headers = { ...server.headers, Authorization: `Bearer ${token}` };
  return server;
}
