import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import * as vscode from "vscode";

import { CACHE, FIXTURES, makeMovies } from "../../support/library.ts";
import { makePlace } from "../../support/place.ts";

const FILM = "library/movies/AV1 (2023)";

describe("what ffprobe says, on hover in a cache file", () => {
  const settings = () => vscode.workspace.getConfiguration("cacheOps");
  const set = (name: string, value: unknown) => settings().update(name, value, vscode.ConfigurationTarget.Global);
  let film: string;

  before(async () => {
    const place = makePlace("probe-hover");
    execFileSync("tar", ["-xzpf", join(FIXTURES, "mediabox-library.tar.gz"), "-C", place, FILM]);
    film = join(place, FILM, CACHE);
    await vscode.extensions.getExtension("cache-ops.cache-ops")?.activate();
  });
  afterEach(async () => {
    await vscode.commands.executeCommand("workbench.action.revertAndCloseActiveEditor");
    await set("ffprobe.program", undefined);
    await set("hover.probe", undefined);
  });

  it("stands below what is known of the entry: container, length, size, streams", async () => {
    const document = await show(film);
    const [entry, probed] = await hoversAt(document, "AV1 (2023).mkv");
    assert.match(entry ?? "", /In order: its media file is here and unchanged/);
    assert.match(probed ?? "", /^\*\*ffprobe\*\*/);
    assert.match(probed ?? "", /matroska\/webm · [\d.]+ (s|min) · [\d.]+ kB/);
    assert.match(probed ?? "", /Video: av1 · \d+x\d+ · /);
    assert.match(probed ?? "", /Audio: \w+/);
  });

  it("is kept: the next time ffprobe is not needed, and the answer is the same", async () => {
    const document = await show(film);
    const first = await hoversAt(document, "AV1 (2023).mkv");
    await set("ffprobe.program", "/nowhere/ffprobe");
    const names = await hoversAt(document, "AV1 (2023).mkv");
    assert.deepEqual(names, first);
  });

  it("is one line on what to install when ffprobe is missing", async () => {
    await set("ffprobe.program", "/nowhere/ffprobe");
    const document = await show(movies("one.mkv"));
    const [entry, probed] = await hoversAt(document, "one.mkv");
    assert.match(entry ?? "", /In order/);
    assert.match(probed ?? "", /\/nowhere\/ffprobe cannot be started.*Install ffmpeg/);
    assert.equal(probed?.trim().split("\n").length, 2);
  });

  it("says so of a file that is no media, as plain text", async () => {
    const name = "](command:workbench.action.quit) <b> **x**.mkv";
    const document = await show(movies(name));
    const [, probed] = await hoversAt(document, "workbench.action.quit");
    assert.match(probed ?? "", /It can make nothing of this file/);
    assert.doesNotMatch(probed ?? "", /(?<!\\)\]\(command:/);
  });

  it("gives up on an ffprobe that hangs, stops it, and leads to probing for as long as it takes", async () => {
    const { program, log } = fakeProbe(`exec sleep 60`);
    await set("ffprobe.program", program);
    const document = await show(movies("slow.mkv"));
    const [entry, probed] = await hoversAt(document, "slow.mkv");
    assert.match(entry ?? "", /In order/);
    assert.match(probed ?? "", /No answer within 3 s\./);
    const [, command, argument = ""] = /\]\(command:([\w.]+)\?([^)]*)\)/.exec(probed ?? "") ?? [];
    assert.equal(command, "cacheOps.probe");
    const media = join(document.uri.fsPath, "..", "slow.mkv");
    assert.deepEqual(JSON.parse(decodeURIComponent(argument)), [{ paths: [media], detail: "full" }]);
    const pid = Number(readFileSync(log, "utf8").trim());
    await until(() => !existsSync(`/proc/${pid}`));
  });

  it("is not asked for where media is gone, nor where the setting says not to", async () => {
    const { program, log } = fakeProbe(`exit 1`);
    await set("ffprobe.program", program);
    const cache = movies("gone.mkv", "here.mkv");
    rmSync(join(cache, "..", "gone.mkv"));
    const document = await show(cache);
    assert.equal((await hoversAt(document, "gone.mkv")).length, 1);
    await set("hover.probe", false);
    assert.equal((await hoversAt(document, "here.mkv")).length, 1);
    assert.ok(!existsSync(log));
    await set("hover.probe", undefined);
    assert.equal((await hoversAt(document, "here.mkv")).length, 2);
    assert.ok(existsSync(log));
  });
});

/** A cache with entries in order for these names; returns its path. */
function movies(...names: readonly string[]): string {
  const directory = makePlace("probe-hover");
  makeMovies(directory, names);
  return join(directory, CACHE);
}

/** A program that writes its process id to a log and then does this. */
function fakeProbe(then: string): { readonly program: string; readonly log: string } {
  const place = makePlace("fake");
  const [program, log] = [join(place, "ffprobe"), join(place, "log")];
  writeFileSync(program, `#!/bin/sh\necho $$ >>'${log}'\n${then}\n`);
  chmodSync(program, 0o755);
  return { program, log };
}

async function show(path: string): Promise<vscode.TextDocument> {
  await vscode.commands.executeCommand("vscode.open", vscode.Uri.file(path));
  const shown = () => vscode.window.activeTextEditor?.document;
  await until(() => shown()?.uri.fsPath === path);
  return shown() ?? assert.fail();
}

/** The hovers of this extension, as the editor orders them. */
async function hoversAt(document: vscode.TextDocument, text: string): Promise<string[]> {
  const at = document.positionAt(document.getText().indexOf(text) + 1);
  const hovers = await vscode.commands.executeCommand<vscode.Hover[]>("vscode.executeHoverProvider", document.uri, at);
  return hovers
    .flatMap(({ contents }) => contents)
    .filter((content) => content instanceof vscode.MarkdownString && typeof content.isTrusted === "object")
    .map((content) => (content as vscode.MarkdownString).value.replaceAll("&nbsp;", " "));
}

async function until(isReached: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!isReached()) {
    if (Date.now() > deadline) throw new Error("not reached");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
