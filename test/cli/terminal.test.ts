import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";
import { DatabaseSync } from "node:sqlite";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";

import { PROGRAM, cli, cliEnvironment } from "../support/cli.ts";
import { CACHE, makeMovies } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { makeStaleLibrary } from "../support/runs.ts";
import { openTerminal } from "../support/terminal.ts";
import { treeState } from "../support/tree.ts";

function open(args: readonly string[], env: NodeJS.ProcessEnv) {
  return openTerminal([execPath, PROGRAM, ...args], env);
}

function isCleaned(root: string, directory: string): boolean {
  return !readFileSync(join(root, directory, CACHE), "utf8").includes("gone.mkv");
}

interface RunLine {
  readonly run: string;
  readonly status: string;
  readonly entries: number;
}

function historyOf(env: NodeJS.ProcessEnv): readonly RunLine[] {
  return cli(["history", "--json"], env).json<{ runs: RunLine[] }>().runs;
}

describe("on a terminal", () => {
  it("a check shows its table, and no progress bar stays", async () => {
    const terminal = open(["check", makeStaleLibrary("a", "b")], cliEnvironment());
    assert.equal(await terminal.ended(), 1);
    const screen = terminal.screen();
    assert.match(screen, /2 entries are stale\./);
    assert.match(screen, /orphaned\s+gone\.mkv/);
    assert.ok(!/checking|[-=]{10}/.test(screen), screen);
  });

  it("an apply shows the plan and asks; no changes nothing and ends with 0", async () => {
    const root = makeStaleLibrary("a");
    const before = treeState(root);
    const terminal = open(["cleanup", root, "--apply"], cliEnvironment());
    assert.match(await terminal.until(/Apply this plan\? \[y\/N\]/), /remove\s+gone\.mkv/);
    assert.deepEqual(treeState(root), before);
    terminal.type("n", "Enter");
    assert.equal(await terminal.ended(), 0);
    assert.deepEqual(treeState(root), before);
  });

  it("only a yes is a yes: Enter alone changes nothing", async () => {
    const root = makeStaleLibrary("a");
    const before = treeState(root);
    const terminal = open(["cleanup", root, "--apply"], cliEnvironment());
    await terminal.until(/Apply this plan/);
    terminal.type("Enter");
    assert.equal(await terminal.ended(), 0);
    assert.deepEqual(treeState(root), before);
  });

  it("yes applies the plan that was shown and reports", async () => {
    const root = makeStaleLibrary("a");
    const env = cliEnvironment();
    const terminal = open(["cleanup", root, "--apply"], env);
    const plan = /plan-[0-9a-z]+/.exec(await terminal.until(/Apply this plan/))?.[0] ?? "";
    terminal.type("y", "Enter");
    assert.equal(await terminal.ended(), 0);
    assert.match(terminal.screen(), /Done and verified: 1 entry changed in 1 cache/);
    assert.ok(isCleaned(root, "a"));
    assert.equal(cli(["apply", plan, "--json"], env).json()["run"], historyOf(env)[0]?.run);
  });

  for (const [key, name] of [
    ["C-c", "Ctrl-C"],
    ["C-d", "Ctrl-D"],
  ] as const) {
    it(`${name} at the question ends with 130 and changes nothing`, async () => {
      const root = makeStaleLibrary("a");
      const before = treeState(root);
      const terminal = open(["cleanup", root, "--apply"], cliEnvironment());
      await terminal.until(/Apply this plan/);
      terminal.type(key);
      assert.equal(await terminal.ended(), 130, terminal.screen());
      assert.match(terminal.screen(), /stopped on request/);
      assert.deepEqual(treeState(root), before);
    });
  }

  it("--review lets one take a change out and applies the rest", async () => {
    const root = makeStaleLibrary("a", "b", "c");
    const env = cliEnvironment();
    const terminal = open(["cleanup", root, "--review"], env);
    const shown = await terminal.until(/Which changes should be made\?[\s\S]*3|Which changes[\s\S]*— c/);
    assert.equal(shown.split("\n").filter((line) => line.includes("remove gone.mkv")).length, 3);
    terminal.type("Down", "Space", "Enter");
    assert.match(await terminal.until(/Apply this plan/), /2 changes in 2 caches/);
    terminal.type("y", "Enter");
    assert.equal(await terminal.ended(), 0);
    assert.match(terminal.screen(), /2 entries changed in 2 caches/);
    assert.deepEqual(
      ["a", "b", "c"].map((name) => isCleaned(root, name)),
      [true, false, true],
    );
    assert.deepEqual(
      historyOf(env).map(({ entries }) => entries),
      [2],
    );
  });

  it("--review with --yes applies the chosen changes without a question", async () => {
    const root = makeStaleLibrary("a", "b");
    const terminal = open(["cleanup", root, "--review", "--yes"], cliEnvironment());
    await terminal.until(/Which changes/);
    terminal.type("Space", "Enter");
    assert.equal(await terminal.ended(), 0);
    assert.deepEqual(
      ["a", "b"].map((name) => isCleaned(root, name)),
      [false, true],
    );
  });

  it("--review with nothing left changes nothing", async () => {
    const root = makeStaleLibrary("a");
    const before = treeState(root);
    const terminal = open(["cleanup", root, "--review"], cliEnvironment());
    await terminal.until(/Which changes/);
    terminal.type("Space", "Enter");
    assert.equal(await terminal.ended(), 0);
    assert.deepEqual(treeState(root), before);
  });

  it("Ctrl-C in the review ends with 130 and changes nothing", async () => {
    const root = makeStaleLibrary("a");
    const before = treeState(root);
    const terminal = open(["cleanup", root, "--review"], cliEnvironment());
    await terminal.until(/Which changes/);
    terminal.type("C-c");
    assert.equal(await terminal.ended(), 130, terminal.screen());
    assert.match(terminal.screen(), /stopped on request/);
    assert.deepEqual(treeState(root), before);
  });
});

describe("stopped in the middle of an apply", () => {
  const CACHES = 2000;
  let root = "";
  let untouched: readonly string[] = [];

  before(() => {
    root = makePlace("large");
    for (let index = 0; index < CACHES; index += 1) {
      const directory = join(root, `series ${Math.floor(index / 50)}`, `season ${index}`);
      const [, gone = ""] = makeMovies(directory, [`${index}.mkv`, `gone ${index}.mkv`]);
      rmSync(gone);
    }
    untouched = treeState(root);
  });

  /** What must hold whatever stopped it: the history says so, an undo restores the tree exactly, nothing is left over. */
  function assertUndone(env: NodeJS.ProcessEnv): void {
    const [latest] = historyOf(env);
    assert.equal(latest?.status, "cancelled");
    assert.ok(latest.entries > 0 && latest.entries < CACHES, String(latest.entries));
    assert.notDeepEqual(treeState(root), untouched);
    const undone = cli(["undo", "last", "--json"], env);
    assert.deepEqual([undone.code, undone.json()["restored"]], [0, latest.entries]);
    assert.deepEqual(treeState(root), untouched);
  }

  it("by Ctrl-C, after its progress was seen, it ends with 130 and can be undone exactly", async () => {
    const env = cliEnvironment();
    const terminal = open(["cleanup", root, "--apply", "--yes"], env);
    await terminal.until(/[-=]{10,} \d+\/2000 applying/);
    terminal.type("C-c");
    assert.equal(await terminal.ended(), 130);
    assert.match(terminal.screen(), /cache-ops undo run-\w+` takes it back/);
    assertUndone(env);
  });

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    it(`by ${signal} it prints its report, ends with 130 and can be undone exactly`, async () => {
      const state = makePlace("state");
      const env = cliEnvironment(state);
      const child = spawn(execPath, [PROGRAM, "cleanup", root, "--apply", "--yes", "--json"], { env });
      const output = Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
      await applying(state, child);
      child.kill(signal);
      const [stdout, stderr, [code]] = await output;
      assert.deepEqual([code, stderr], [130, ""]);
      const report = JSON.parse(stdout) as { status: string; files: number; notTried: number; refused: unknown[] };
      assert.deepEqual([report.status, report.refused], ["cancelled", []]);
      assert.equal(report.files + report.notTried, CACHES);
      assertUndone(env);
    });
  }

  it("by a second Ctrl-C it ends at once, and an undo still restores every cache", async () => {
    const state = makePlace("state");
    const env = cliEnvironment(state);
    const child = spawn(execPath, [PROGRAM, "cleanup", root, "--apply", "--yes", "--json"], { env, stdio: "ignore" });
    const exit = once(child, "exit");
    await applying(state, child);
    child.kill("SIGINT");
    child.kill("SIGINT");
    assert.deepEqual((await exit)[0], 130);
    const [latest] = historyOf(env);
    assert.match(latest?.status ?? "", /^(cancelled|interrupted)$/);
    assert.equal(cli(["undo", "last", "--json"], env).code, 0);
    const caches = (lines: readonly string[]) => lines.filter((line) => line.includes(`${CACHE} `));
    assert.deepEqual(caches(treeState(root)), caches(untouched));
    assert.deepEqual(
      treeState(root).filter((line) => line.includes(".tmp ")),
      [],
    );
  });

  /** Waits until the journal of a state directory shows the first changes as done. */
  async function applying(state: string, child: ChildProcess): Promise<void> {
    while (child.exitCode === null) {
      try {
        const database = new DatabaseSync(join(state, "state.db"), { readOnly: true });
        const row = database.prepare("SELECT count(*) AS done FROM steps WHERE state = 'done'").get();
        database.close();
        if (Number(row?.["done"]) > 0) return;
      } catch (error) {
        // Not made yet, or being made.
        assert.ok(error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR", String(error));
      }
      await delay(10);
    }
    assert.fail("the run was over before it could be stopped");
  }
});
