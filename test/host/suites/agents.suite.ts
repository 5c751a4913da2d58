import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import * as vscode from "vscode";

import { OFFERED } from "../../../extension/task-definition.ts";
import { operations } from "../../../shared/index.ts";
import { CACHE, makeMovies } from "../../support/library.ts";

const LIBRARY = "agents-films";

describe("what works beside the editor's own views", () => {
  const place = realpathSync(mkdtempSync(join(tmpdir(), "cache-ops-agents-")));
  const root = join(place, "films");
  const cache = join(root, CACHE);
  const settings = () => vscode.workspace.getConfiguration("cacheOps");
  const entries = () => Object.keys(JSON.parse(readFileSync(cache, "utf8")) as object).length;
  let librariesBefore: unknown;

  before(async () => {
    makeMovies(root, ["here.mkv", "there.mkv", "gone.mkv"]);
    rmSync(join(root, "gone.mkv"));
    librariesBefore = settings().inspect("libraries")?.globalValue;
    await settings().update("libraries", [{ name: LIBRARY, roots: [root] }], vscode.ConfigurationTarget.Global);
    await vscode.extensions.getExtension("cache-ops.cache-ops")?.activate();
  });

  after(async () => {
    await vscode.workspace.getConfiguration("tasks").update("tasks", undefined, vscode.ConfigurationTarget.Workspace);
    await settings().update("libraries", librariesBefore, vscode.ConfigurationTarget.Global);
    rmSync(place, { recursive: true, force: true });
  });

  describe("tasks", () => {
    it("are offered for what only looks", async () => {
      const tasks = await vscode.tasks.fetchTasks({ type: "cache-ops" });
      assert.deepEqual(
        tasks.map(({ name, source }) => `${source}: ${name}`).toSorted(),
        OFFERED.map((name) => `Cache Ops: ${name}`).toSorted(),
      );
    });

    it("run with the editor's libraries and end with the command line's exit code", async () => {
      const tasks = await vscode.tasks.fetchTasks({ type: "cache-ops" });
      const check = tasks.find(({ name }) => name === "check");
      assert.ok(check);
      assert.equal(await exitCodeOf(check), 1, "something is stale");
    });

    it("take words and say what is wrong with them by their exit code", async () => {
      const file = join(place, "check.json");
      assert.equal(await exitCodeOf(await makeTask("to a file", "check", [LIBRARY, "--json", "--output", file])), 1);
      const { byProblem } = JSON.parse(readFileSync(file, "utf8")) as { readonly byProblem: object };
      assert.deepEqual(byProblem, { orphaned: 1 });
      assert.equal(await exitCodeOf(await makeTask("mistaken", "check", ["--no-such-flag"])), 2);
    });
  });

  describe("the server for agents", () => {
    before(() => startUntil((names) => names.length > 0));

    it("is started by the editor, with a tool for every operation that is no extra", () => {
      const names = toolNames();
      const offered = operations.filter(({ isExtraTool }) => isExtraTool !== true);
      assert.equal(names.length, offered.length, names.join(", "));
      for (const { name } of offered)
        assert.ok(
          names.some((tool) => tool.endsWith(name)),
          name,
        );
    });

    it("sees the libraries of the editor's settings", async () => {
      const { byProblem, entries } = await call("check", {});
      assert.deepEqual([byProblem, entries], [{ orphaned: 1 }, 3]);
    });

    it("applies into the one history, and the editor can undo it", async () => {
      const plan = await call("cleanup", {});
      assert.equal(plan["status"], "ready");
      const { plan: id, acknowledge } = plan;
      const report = await agreed(call("apply", { plan: id, acknowledge }));
      assert.equal(report["status"], "complete");
      assert.equal(entries(), 2);
      const { run } = report;
      const file = join(place, "history.json");
      assert.equal(await exitCodeOf(await makeTask("what was done", "history", ["--json", "--output", file])), 0);
      const { runs } = JSON.parse(readFileSync(file, "utf8")) as { readonly runs: readonly { readonly run: string }[] };
      assert.equal(runs[0]?.run, run);
      // Its notification stands until somebody answers it.
      void vscode.commands.executeCommand("cacheOps.history.undo", { run });
      await until(() => entries() === 3);
    });

    it("has its configuration from a file that nobody else can read", () => {
      const written = configurationFiles();
      assert.ok(written.length > 0);
      for (const file of written) {
        assert.equal(statSync(file).mode & 0o777, 0o600);
        const { libraries } = JSON.parse(readFileSync(file, "utf8")) as { readonly libraries: readonly unknown[] };
        assert.deepEqual(libraries, [{ name: LIBRARY, roots: [root] }]);
      }
    });

    it("keeps that file as it is when the settings cannot be used", async () => {
      const texts = () => configurationFiles().map((file) => readFileSync(file, "utf8"));
      const before = texts();
      const target = vscode.ConfigurationTarget.Global;
      await settings().update("configurationFile", join(place, "no-such-file.json"), target);
      try {
        const options = { autoTrustChanges: true, waitForLiveTools: true };
        await vscode.commands.executeCommand("workbench.mcp.startServer", "*", options);
        await delay(500);
        assert.deepEqual(texts(), before);
      } finally {
        await settings().update("configurationFile", undefined, target);
      }
    });

    it("offers the tools for managed caches where there are some", async () => {
      const target = vscode.ConfigurationTarget.Global;
      await settings().update("managed", [{ name: "downloads", root: place }], target);
      try {
        await startUntil((names) => names.some((name) => name.endsWith("evict")));
        const { registered } = await call("directories", {});
        assert.equal(registered, 0);
      } finally {
        await settings().update("managed", undefined, target);
        await startUntil((names) => names.length > 0 && !names.some((name) => name.endsWith("evict")));
      }
    });

    it("offers the tools for engines and Jellyfin servers where there are some", async () => {
      const target = vscode.ConfigurationTarget.Global;
      await settings().update("engines", [{ name: "ace", socket: join(place, "no.sock") }], target);
      await settings().update("jellyfin", [{ name: "home", url: "http://127.0.0.1:9" }], target);
      const has = (names: readonly string[], tool: string) => names.some((name) => name.endsWith(tool));
      try {
        await startUntil((names) => has(names, "empty") && has(names, "clear"));
      } finally {
        await settings().update("engines", undefined, target);
        await settings().update("jellyfin", undefined, target);
        await startUntil((names) => names.length > 0 && !has(names, "empty") && !has(names, "clear"));
      }
    });

    it("offers nothing that changes a cache once the settings say so", async () => {
      await settings().update("agents.readOnly", true, vscode.ConfigurationTarget.Global);
      try {
        await startUntil((names) => !names.some((name) => /apply|undo|record/.test(name)));
        assert.ok(toolNames().some((name) => name.endsWith("check")));
      } finally {
        await settings().update("agents.readOnly", undefined, vscode.ConfigurationTarget.Global);
      }
    });
  });
});

/** A task as a person writes it into tasks.json. */
async function makeTask(label: string, operation: string, args: readonly string[]): Promise<vscode.Task> {
  const tasks = [{ label, type: "cache-ops", operation, args }];
  await vscode.workspace.getConfiguration("tasks").update("tasks", tasks, vscode.ConfigurationTarget.Workspace);
  let found: vscode.Task | undefined;
  await until(async () => {
    found = (await vscode.tasks.fetchTasks({ type: "cache-ops" })).find(({ name }) => name === label);
    return found !== undefined;
  });
  assert.ok(found);
  return found;
}

async function exitCodeOf(task: vscode.Task): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const listening = vscode.tasks.onDidEndTaskProcess(({ execution, exitCode }) => {
    if (execution.task.name === task.name) resolve(exitCode);
  });
  try {
    await vscode.tasks.executeTask(task);
    return await promise;
  } finally {
    listening.dispose();
  }
}

/** Starts the servers for agents, which the editor hears of in its own time, until the tools are as they should be. */
async function startUntil(isRight: (names: readonly string[]) => boolean): Promise<void> {
  await until(async () => {
    const options = { autoTrustChanges: true, waitForLiveTools: true };
    await vscode.commands.executeCommand("workbench.mcp.startServer", "*", options);
    return isRight(toolNames());
  });
}

function toolNames(): string[] {
  return vscode.lm.tools.map(({ name }) => name).filter((name) => /^mcp_cache-?_?ops/i.test(name));
}

async function call(operation: string, input: object): Promise<Record<string, unknown>> {
  const name = toolNames().find((candidate) => candidate.endsWith(operation));
  assert.ok(name, `there is no tool ${operation} among ${vscode.lm.tools.map((tool) => tool.name).join(", ")}`);
  const { content } = await vscode.lm.invokeTool(name, { input, toolInvocationToken: undefined });
  const part = content.find((each) => each instanceof vscode.LanguageModelTextPart);
  assert.ok(part, `${name} answered ${JSON.stringify(content)}`);
  return JSON.parse(part.value) as Record<string, unknown>;
}

/** Says yes as a person does, who is asked before a tool changes something: in a notification, then in a choice. */
async function agreed<T>(asking: Promise<T>): Promise<T> {
  let isAnswered = false;
  const answered = asking.finally(() => (isAnswered = true));
  await vscode.commands.executeCommand("notifications.clearAll");
  await until(async () => {
    await vscode.commands.executeCommand("notification.acceptPrimaryAction");
    await delay(200);
    await vscode.commands.executeCommand("workbench.action.acceptSelectedQuickOpenItem");
    await delay(200);
    return isAnswered;
  });
  return answered;
}

function configurationFiles(): string[] {
  const home = process.env["HOME"] ?? "";
  return readdirSync(home, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith("cache-ops.cache-ops/config.json"))
    .map((path) => join(home, path));
}

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await isTrue())) {
    assert.ok(Date.now() < deadline, "it did not come to that in 20 s");
    await delay(100);
  }
}
