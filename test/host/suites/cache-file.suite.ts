import assert from "node:assert/strict";
import { readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import * as vscode from "vscode";

import { CACHE, entryFor, makeMovies, writeCache, writeMedia } from "../../support/library.ts";
import { makePlace } from "../../support/place.ts";

/** A name that would be a link, an image, an icon and bold text if it were taken as markup, and that turns its direction. */
const HOSTILE = "](command:workbench.action.quit) <img src=x onerror=alert(1)> $(bug) **b** `c` \u{202e}.mkv";

describe("help in cache files, in VS Code", () => {
  before(() => vscode.extensions.getExtension("cache-ops.cache-ops")?.activate());
  afterEach(() => vscode.commands.executeCommand("workbench.action.revertAndCloseActiveEditor"));

  it("says in Problems what is wrong with which entry, in plain words", async () => {
    const document = await show(makeLibrary());
    const found = await waitForDiagnostics(document, 3);
    assert.deepEqual(
      found.map(({ code, severity }) => [code, severity]),
      [
        ["media_gone", vscode.DiagnosticSeverity.Warning],
        ["media_gone", vscode.DiagnosticSeverity.Warning],
        ["fingerprint_differs", vscode.DiagnosticSeverity.Information],
      ],
    );
    for (const { range, message } of found) {
      assert.match(document.getText(range), /^"[0-9a-f]{64}"$/);
      assert.match(message, /\.mkv: (orphaned|changed)\. Its media file .*\. A cleanup .*\.$/);
    }
  });

  it("finds nothing wrong with a cache in order, nor does its schema", async () => {
    const directory = makePlace("cache-file");
    makeMovies(directory, ["one.mkv", "two.mkv"]);
    const document = await show(join(directory, CACHE));
    const [head] = await waitForLenses(document, 1);
    assert.equal(head?.command?.title, "2 entries, nothing stale");
    assert.deepEqual(vscode.languages.getDiagnostics(document.uri), []);
  });

  it("tells on hover what an entry is, whether its file is there and what a cleanup would do", async () => {
    const document = await show(makeLibrary());
    const gone = await hoverAt(document, "gone.mkv");
    assert.match(gone, /gone\.mkv/);
    assert.match(gone, /h264 · 5 B · probed 2024\\?-01\\?-15 10:20/);
    assert.match(gone, /orphaned: its media is gone/);
    assert.match(gone, /A cleanup removes the entry/);
    const links = [...gone.matchAll(/\]\(command:([\w.]+)\?([^)]*)\)/g)].map(([, command, argument = ""]) => [
      command,
      JSON.parse(decodeURIComponent(argument)) as unknown,
    ]);
    const key = keyOf(document, "gone.mkv");
    const cache = document.uri.fsPath;
    assert.deepEqual(links, [
      ["cacheOps.cleanThis", [{ cache, entry: key }]],
      ["cacheOps.keep", [{ cache, name: "gone.mkv" }]],
    ]);
    assert.match(await hoverAt(document, "kept.mkv"), /In order: its media file is here and unchanged/);
    assert.match(await hoverAt(document, "changed.mkv"), /with another size or time/);
  });

  it("shows a hostile name as text", async () => {
    const document = await show(makeLibrary());
    const text = await hoverAt(document, "onerror");
    assert.match(text, /\\\]\\\(command:workbench/);
    assert.doesNotMatch(text, /(?<!\\)\]\(command:workbench|(?<!\\)\*\*b|(?<!\\)`c/);
    assert.ok(text.includes("u\\{202e\\}") && !text.includes("\u{202e}"));
    const [help] = await hoverContents(document, "onerror");
    assert.equal(help?.supportHtml ?? false, false);
    assert.equal(help?.supportThemeIcons ?? false, false);
    assert.ok(typeof help?.isTrusted === "object" && !help.isTrusted.enabledCommands.includes("workbench.action.quit"));
    const messages = vscode.languages.getDiagnostics(document.uri).map(({ message }) => message);
    assert.ok(messages.every((message) => !message.includes("\u{202e}")));
  });

  it("has lenses above the file and above each stale entry", async () => {
    const document = await show(makeLibrary());
    const lenses = await waitForLenses(document, 7);
    const titles = lenses.map(({ range, command }) => [
      document.lineAt(range.start.line).text.trim().slice(0, 1),
      command?.title,
    ]);
    assert.deepEqual(titles, [
      ["{", "4 entries, 2 stale, 1 with other problems"],
      ["{", "Clean Up This Cache…"],
      ["{", "Show in Tree"],
      ['"', "orphaned: its media is gone — Clean Up…"],
      ['"', "Keep"],
      ['"', "orphaned: its media is gone — Clean Up…"],
      ['"', "Keep"],
    ]);
    assert.deepEqual(lenses[1]?.command?.arguments, [{ directory: dirname(document.uri.fsPath) }]);
  });

  it("offers the cleanup of a stale entry or its cache, and to keep it", async () => {
    const document = await show(makeLibrary());
    const [first] = await waitForDiagnostics(document, 3);
    const actions = await actionsAt(document, first?.range);
    assert.deepEqual(
      actions.map(({ title, command }) => [title, command?.command]),
      [
        ["Clean up this entry (review first)…", "cacheOps.cleanThis"],
        ["Clean up this cache (review first)…", "cacheOps.cleanThis"],
        ["Keep this entry", "cacheOps.keep"],
      ],
    );
  });

  it("forgets a problem when its entry is removed from the buffer, before that is saved", async () => {
    const document = await show(makeLibrary());
    await waitForDiagnostics(document, 3);
    const text = document.getText();
    const start = text.indexOf(`"${keyOf(document, "changed.mkv")}"`);
    const edit = new vscode.WorkspaceEdit();
    const from = document.positionAt(text.lastIndexOf(",", start));
    const to = document.positionAt(text.indexOf("}", start) + 1);
    edit.delete(document.uri, new vscode.Range(from, to));
    await vscode.workspace.applyEdit(edit);
    const left = await waitForDiagnostics(document, 2);
    assert.ok(left.every(({ code }) => code === "media_gone"));
    assert.equal(document.isDirty, true);
  });

  it("notices that the media of an entry came back while the document is shown", async () => {
    const document = await show(makeLibrary());
    await waitForDiagnostics(document, 3);
    // The first event may come before VS Code watches the directory; many of them must not put the look off.
    const bringBack = () => {
      writeMedia(dirname(document.uri.fsPath), "gone.mkv");
      return own(document);
    };
    await until(bringBack, (list) => list.length === 2);
    assert.match(await hoverAt(document, "gone.mkv"), /In order/);
  });

  it("calls a damaged file damaged where it is, and offers its repair", async () => {
    const directory = makePlace("cache-file");
    makeMovies(directory, ["one.mkv"]);
    const cache = join(directory, CACHE);
    writeFileSync(cache, readFileSync(cache, "utf8").replace("{\n", '{\n  "ü🎬": 1, oops'));
    const document = await show(cache);
    const [damage] = await waitForDiagnostics(document, 1);
    assert.equal(damage?.code, "invalid_json");
    assert.equal(damage.severity, vscode.DiagnosticSeverity.Error);
    assert.equal(document.getText(damage.range), "o");
    const [repair] = await actionsAt(document, damage.range);
    assert.equal(repair?.title, "Repair this cache (review first)…");
    assert.deepEqual(repair?.command?.arguments, [{ paths: [directory] }]);
  });

  it("sees the damage that the editor hides: bytes that are no UTF-8, and a byte order mark", async () => {
    for (const [rule, damage] of [
      ["invalid_utf8", (bytes: Buffer) => Buffer.from(bytes.toString("latin1").replace("h264", "h\xff64"), "latin1")],
      ["byte_order_mark", (bytes: Buffer) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes])],
    ] as const) {
      const directory = makePlace("cache-file");
      makeMovies(directory, ["one.mkv"]);
      const cache = join(directory, CACHE);
      writeFileSync(cache, damage(readFileSync(cache)));
      const document = await show(cache);
      const [found] = await waitForDiagnostics(document, 1);
      assert.equal(found?.code, rule);
    }
  });

  it("checks and explains the fields by the schema", async () => {
    const directory = makePlace("cache-file");
    const media = writeMedia(directory, "one.mkv");
    const cache = writeCache(directory, [entryFor(media, [["duration", '"N/A"']])]);
    const document = await show(cache);
    const wrong = () =>
      vscode.languages.getDiagnostics(document.uri).filter(({ message }) => /Expected "number"/.test(message));
    const [found] = await until(
      () => wrong(),
      (list) => list.length === 1,
    );
    assert.equal(document.getText(found?.range), '"N/A"');
    assert.match(await hoverAt(document, '"codec_video"'), /Codec of the first video stream/);
  });

  it("forgets everything about a document that is closed", async () => {
    const document = await show(makeLibrary());
    await waitForDiagnostics(document, 3);
    await vscode.commands.executeCommand("workbench.action.closeActiveEditor");
    await until(
      () => own(document),
      (list) => list.length === 0,
    );
  });

  it("looks into a very large document only when asked to", async function () {
    this.timeout(90_000);
    const settings = vscode.workspace.getConfiguration("workbench");
    const set = (megabytes: number | undefined) =>
      settings.update("editorLargeFileConfirmation", megabytes, vscode.ConfigurationTarget.Global);
    await set(100);
    const cache = join(makePlace("cache-file"), CACHE);
    writeFileSync(cache, `{\n${`${" ".repeat(99_999)}\n`.repeat(211)}}`);
    const document = await show(cache);
    const [look] = await waitForLenses(document, 1);
    assert.match(look?.command?.title ?? "", /^Larger than 20 MB, not looked into/);
    await vscode.commands.executeCommand(look?.command?.command ?? "", ...(look?.command?.arguments ?? []));
    const lenses = (): Thenable<vscode.CodeLens[]> => waitForLenses(document, 1);
    const [head] = await until(lenses, ([first]) => first?.command?.title !== look?.command?.title);
    assert.equal(head?.command?.title, "0 entries, nothing stale");
    await set(undefined);
  });

  it("keeps out of documents that are no files", async () => {
    const uri = vscode.Uri.parse(`untitled:${join(makePlace("cache-file"), CACHE)}`);
    const document = await vscode.workspace.openTextDocument(uri);
    await vscode.window.showTextDocument(document);
    const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>("vscode.executeCodeLensProvider", uri);
    assert.deepEqual(lenses, []);
    assert.deepEqual(own(document), []);
  });
});

/** A cache with four entries: in order, gone, gone under a hostile name, changed. Returns its path. */
function makeLibrary(): string {
  const directory = makePlace("cache-file");
  const [, gone = "", hostile = "", changed = ""] = makeMovies(directory, [
    "kept.mkv",
    "gone.mkv",
    HOSTILE,
    "changed.mkv",
  ]);
  unlinkSync(gone);
  unlinkSync(hostile);
  writeFileSync(changed, "other media");
  return join(directory, CACHE);
}

async function show(path: string): Promise<vscode.TextDocument> {
  // A document opened through the API would be held open for minutes.
  await vscode.commands.executeCommand("vscode.open", vscode.Uri.file(path));
  const shown = () => vscode.window.activeTextEditor?.document;
  const document = await until(shown, (found) => found?.uri.fsPath === path);
  assert.ok(document);
  return document;
}

function keyOf(document: vscode.TextDocument, name: string): string {
  const entries = JSON.parse(document.getText()) as Record<string, { readonly file_name: string }>;
  return Object.keys(entries).find((key) => entries[key]?.file_name === name) ?? "";
}

function own({ uri }: vscode.TextDocument): vscode.Diagnostic[] {
  return vscode.languages.getDiagnostics(uri).filter(({ source }) => source === "Cache Ops");
}

function waitForDiagnostics(document: vscode.TextDocument, count: number): Promise<vscode.Diagnostic[]> {
  return until(
    () => own(document),
    (list) => list.length === count,
  );
}

function waitForLenses({ uri }: vscode.TextDocument, least: number): Promise<vscode.CodeLens[]> {
  return until(
    async () => vscode.commands.executeCommand<vscode.CodeLens[]>("vscode.executeCodeLensProvider", uri, 100),
    (lenses) => lenses.length >= least,
  );
}

async function hoverAt(document: vscode.TextDocument, text: string): Promise<string> {
  const contents = await hoverContents(document, text);
  return contents
    .map(({ value }) => value)
    .join("\n\n")
    .replaceAll("&nbsp;", " ");
}

async function hoverContents(document: vscode.TextDocument, text: string): Promise<vscode.MarkdownString[]> {
  const at = document.positionAt(document.getText().indexOf(text) + 1);
  const hovers = await vscode.commands.executeCommand<vscode.Hover[]>("vscode.executeHoverProvider", document.uri, at);
  return hovers.flatMap(({ contents }) => contents).filter((content) => content instanceof vscode.MarkdownString);
}

async function actionsAt({ uri }: vscode.TextDocument, range: vscode.Range | undefined): Promise<vscode.CodeAction[]> {
  const kind = vscode.CodeActionKind.QuickFix.value;
  return vscode.commands.executeCommand<vscode.CodeAction[]>("vscode.executeCodeActionProvider", uri, range, kind);
}

async function until<T>(read: () => T | Thenable<T>, isReached: (value: T) => boolean): Promise<T> {
  const deadline = Date.now() + 25_000;
  for (;;) {
    const value = await read();
    if (isReached(value)) return value;
    if (Date.now() > deadline) throw new Error(`not reached: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
