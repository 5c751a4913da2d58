import assert from "node:assert/strict";

import * as vscode from "vscode";

describe("the extension in VS Code", () => {
  const extension = () => {
    const found = vscode.extensions.getExtension("cache-ops.cache-ops");
    assert.ok(found, "VS Code knows no extension cache-ops.cache-ops");
    return found;
  };

  it("is there, in the host of the workspace, and can be activated", async () => {
    assert.equal(extension().extensionKind, vscode.ExtensionKind.Workspace);
    await extension().activate();
    assert.equal(extension().isActive, true);
  });

  it("registers every command it contributes", async () => {
    await extension().activate();
    const { contributes } = extension().packageJSON as {
      readonly contributes: { readonly commands: readonly { readonly command: string }[] };
    };
    const registered = new Set(await vscode.commands.getCommands(true));
    const missing = contributes.commands.map(({ command }) => command).filter((command) => !registered.has(command));
    assert.equal(missing.join(" "), "");
  });
});
