import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import * as vscode from "vscode";

import { CACHE, FIXTURES } from "../../support/library.ts";

const FILM = "library/movies/AV1 (2023)";

describe("scanning in the editor", () => {
  const place = realpathSync(mkdtempSync(join(tmpdir(), "cache-ops-scan-")));
  const directory = join(place, FILM);
  const cache = join(directory, CACHE);
  const codecs = () =>
    Object.values(JSON.parse(readFileSync(cache, "utf8")) as Record<string, { codec_video: string }>).map(
      (entry) => entry.codec_video,
    );

  before(() => {
    execFileSync("tar", ["-xzpf", join(FIXTURES, "mediabox-library.tar.gz"), "-C", place, FILM]);
  });

  after(() => rmSync(place, { recursive: true, force: true }));

  it("fills the cache of a directory that has none", async function () {
    this.timeout(30_000);
    const before = codecs();
    rmSync(cache);
    // It resolves when its notification is answered, which nobody does here.
    void vscode.commands.executeCommand("cacheOps.scan", { paths: [directory] });
    while (!existsSync(cache)) await delay(100);
    assert.deepEqual(codecs(), before);
  });
});
