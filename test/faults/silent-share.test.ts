import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { cliEnvironment, PROGRAM } from "../support/cli.ts";
import { CACHE, makeMovies, writeMedia } from "../support/library.ts";
import { makeDirectory, makePlace } from "../support/place.ts";

const HELPER = fileURLToPath(new URL("silent-share.py", import.meta.url));

describe("a library on a disk of this host with links to a share that answers nothing", function () {
  this.timeout(60_000);
  let share: string;
  let state: string;
  let helper: ChildProcess;

  before(async () => {
    share = makePlace("share");
    state = makePlace("state");
    helper = spawn("python3", [HELPER, share], { stdio: ["pipe", "pipe", "inherit"] });
    assert.ok(helper.stdout);
    const [said] = (await once(createInterface({ input: helper.stdout }), "line")) as [string];
    assert.equal(said, "mounted");
  });

  after(async () => {
    helper.stdin?.end();
    await once(helper, "exit");
  });

  /** Directories with one film each; of the first one the film is gone. */
  function makeLibrary(directories: number): string {
    const root = makePlace("linked");
    for (let index = 0; index < directories; index += 1) {
      makeMovies(makeDirectory(root, `d${index}`), [`${index}.mkv`, `kept${index}.mkv`]);
    }
    rmSync(join(root, "d0", "0.mkv"));
    return root;
  }

  /** Puts a link to the share in the place of a file. */
  function moveAway(...path: readonly string[]): void {
    const file = join(...path);
    rmSync(file);
    symlinkSync(join(share, "somewhere"), file);
  }

  function start(timeLimit: string, ...words: readonly string[]) {
    const config = join(makePlace("config"), "config.json");
    writeFileSync(config, JSON.stringify({ timeLimit }));
    const env = cliEnvironment(state, config);
    return spawn(execPath, [PROGRAM, ...words], { env, stdio: ["ignore", "pipe", "pipe"] });
  }

  async function run(...words: readonly string[]) {
    const child = start("1s", ...words, "--json");
    const [stdout, [code]] = await Promise.all([text(child.stdout), once(child, "exit") as Promise<[number | null]>]);
    return { code, answer: JSON.parse(stdout) as Record<string, unknown> };
  }

  for (const [command, code] of [
    ["cleanup", 0],
    ["check", 1],
  ] as const) {
    it(`is judged by ${command}, which keeps what it cannot see, and ends`, async () => {
      const root = makeLibrary(12);
      moveAway(root, "d3", "3.mkv");
      moveAway(root, "d5", CACHE);
      const { code: ended, answer } = await run(command, root);
      assert.equal(ended, code);
      const orphaned =
        command === "check" ? (answer["byProblem"] as { orphaned?: number }).orphaned : answer["entries"];
      assert.equal(orphaned, 1);
      const kept = answer[command === "check" ? "byProblem" : "kept"] as { unreachable?: number };
      assert.equal(kept.unreachable, 2);
    });
  }

  it("does not take its time limit for each of very many links", async () => {
    const root = makeLibrary(150);
    for (let index = 1; index < 150; index += 1) moveAway(root, `d${index}`, `${index}.mkv`);
    const { answer } = await run("cleanup", root);
    assert.deepEqual([answer["entries"], answer["kept"]], [1, { unreachable: 149 }]);
  });

  it("keeps nothing else from being probed", async () => {
    const root = makeLibrary(12);
    for (let index = 1; index < 9; index += 1) moveAway(root, `d${index}`, `${index}.mkv`);
    writeMedia(join(root, "d11"), "new.mkv");
    const { answer } = await run("scan", root, "--preview");
    assert.deepEqual([answer["media"], answer["current"]], [16, 15]);
    assert.equal((answer["errors"] as unknown[]).length, 8);
  });

  it("lets go at the second Ctrl-C, whatever the time limit", async () => {
    const root = makeLibrary(3);
    moveAway(root, "d1", "1.mkv");
    const child = start("10m", "check", root);
    // By then it waits for the share.
    await delay(3000);
    assert.equal(child.exitCode, null);
    child.kill("SIGINT");
    await delay(500);
    child.kill("SIGINT");
    const [code] = (await once(child, "exit")) as [number | null];
    assert.equal(code, 130);
  });

  it("is left as it is by an apply that would have to look at the share", async () => {
    const root = makeLibrary(4);
    const { answer } = await run("cleanup", root);
    const cache = join(root, "d0", CACHE);
    renameSync(cache, join(root, "d0", "kept.json"));
    symlinkSync(join(share, "somewhere"), cache);
    const applied = await run("apply", String(answer["plan"]), "--yes");
    assert.notEqual(applied.code, 0);
    assert.equal(applied.answer["files"], 0);
  });
});
