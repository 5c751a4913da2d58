import * as vscode from "vscode";

import type { Node } from "./nodes.ts";
import type { CachesTree } from "./tree.ts";

/** A row that stands for a server, or for something on one. */
export type OnServer = Extract<Node, { type: "jellyfin" | "channel" | "task" }>;

/** Registers what can be done to engine caches and Jellyfin servers. Whatever changes them is a plan for review first. */
export function registerRemote(tree: CachesTree, onNode: (name: string, work: (node: never) => unknown) => void): void {
  onNode("remote.lookAgain", () => tree.showAgain());
  onNode("engine.empty", async (node: Extract<Node, { type: "engine" | "container" }>) => {
    const input =
      node.type === "engine"
        ? { engine: [node.name] }
        : { engine: [node.row.engine], container: [node.row.containerId] };
    await vscode.commands.executeCommand("cacheOps.empty", input);
  });
  const clear = (node: OnServer, more: Readonly<Record<string, unknown>>) =>
    vscode.commands.executeCommand("cacheOps.clear", {
      server: [serverOf(node)],
      ...(node.type === "channel" ? { section: [node.row.section] } : {}),
      ...more,
    });
  // One that is empty is only filled: the operation sees to that.
  onNode("jellyfin.clear", (node: OnServer) => clear(node, {}));
  onNode("jellyfin.refill", (node: OnServer) => clear(node, {}));
  onNode("jellyfin.clearOnly", (node: OnServer) => clear(node, { refill: false }));
  onNode("jellyfin.runTask", (node: Extract<Node, { type: "task" }>) => clear(node, { task: [node.row.key] }));
}

/** The server that a row is about, by its name. */
export function serverOf(node: OnServer): string {
  return node.type === "jellyfin" ? node.name : node.server;
}
