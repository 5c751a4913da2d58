import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execPath, pid } from "node:process";
import { DatabaseSync } from "node:sqlite";

import { operations } from "../../shared/index.ts";
import { thisOwner } from "../../shared/owner.ts";
import { PROGRAM, cli, cliEnvironment, type CliResult } from "../support/cli.ts";
import { CACHE, copyLibrary, makeMovies, writeMedia } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { makeStaleLibrary } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";

/** The error object of a `--json` call, which must be alone on standard output, with nothing on standard error. */
function errorOf({ stdout, stderr }: CliResult) {
  assert.equal(stderr, "");
  assert.equal(stdout.split("\n").length, 2);
  const { error, ...rest } = JSON.parse(stdout) as { error: { code: string; message: string; hint: string | null } };
  assert.deepEqual(rest, {});
  assert.deepEqual(Object.keys(error), ["code", "message", "hint"]);
  return error;
}

/** Checks that a call failed with this exit code, with this error as JSON and as text with a hint. */
function fails(args: readonly string[], env: NodeJS.ProcessEnv, exit: number, code: string, message: RegExp): void {
  const asJson = cli([...args, "--json"], env);
  const error = errorOf(asJson);
  assert.deepEqual([asJson.code, error.code], [exit, code], error.message);
  assert.match(error.message, message);
  assert.match(error.hint ?? "", /\w/, "says what to do next");
  const asText = cli(args, env);
  assert.deepEqual([asText.code, asText.stdout], [exit, ""]);
  assert.ok(asText.stderr.startsWith("cache-ops: "), asText.stderr);
  assert.ok(asText.stderr.trimEnd().split("\n").length >= 2, asText.stderr);
}

describe("the JSON contract", () => {
  it("of check: counts, and findings with cache, entry, name, problem and reason; exit 1", () => {
    const root = copyLibrary();
    const directory = join(root, "movies", "AV1 (2023)");
    const media = join(directory, "AV1 (2023).mkv");
    const [entry = ""] = Object.keys(JSON.parse(readFileSync(join(directory, CACHE), "utf8")) as object);
    rmSync(media);
    const result = cli(["check", root, "--json"], cliEnvironment());
    assert.deepEqual([result.code, result.stderr], [1, ""]);
    assert.deepEqual(result.json(), {
      caches: 28,
      entries: 43,
      byProblem: { orphaned: 1 },
      findings: [
        {
          kind: "directory",
          cache: join(directory, CACHE),
          entry,
          name: "AV1 (2023).mkv",
          problem: "orphaned",
          reason: { rule: "media_gone", observed: "ENOENT" },
        },
      ],
      errors: [],
    });
  });

  it("of check of a library in order: no findings, exit 0", () => {
    const result = cli(["check", copyLibrary(), "--json"], cliEnvironment());
    assert.equal(result.code, 0);
    assert.deepEqual(result.json(), { caches: 28, entries: 43, byProblem: {}, findings: [], errors: [] });
  });

  it("of check: exit 0 when something is kept but nothing stale", () => {
    const root = makePlace("changed");
    const [path = ""] = makeMovies(root, ["one.mkv"]);
    writeFileSync(path, "changed");
    const result = cli(["check", root, "--json"], cliEnvironment());
    assert.deepEqual([result.code, result.json()["byProblem"]], [0, { changed: 1 }]);
  });

  it("of cleanup, apply and undo: plan, report and restoration agree", () => {
    const root = makeStaleLibrary("a", "b");
    const env = cliEnvironment();
    const before = treeState(root);
    const planned = cli(["cleanup", root, "--json"], env);
    assert.deepEqual([planned.code, planned.stderr], [0, ""]);
    const plan = planned.json();
    assert.deepEqual(
      [plan["status"], plan["actions"], plan["entries"], plan["byProblem"], plan["skipped"], plan["blocked"]],
      ["ready", 2, 2, { orphaned: 2 }, [], []],
    );
    assert.match(String(plan["plan"]), /^plan-[0-9a-z]+$/);
    assert.match(String(plan["digest"]), /^[0-9a-f]{64}$/);
    assert.ok(Date.parse(String(plan["expiresAt"])) > Date.now());
    assert.deepEqual(treeState(root), before);

    const applied = cli(["apply", String(plan["plan"]), "--yes", "--json"], env);
    assert.deepEqual([applied.code, applied.stderr], [0, ""]);
    const report = applied.json();
    assert.deepEqual(
      [report["status"], report["entries"], report["caches"], report["reclaimedBytes"], report["refused"]],
      ["complete", 2, 2, plan["bytes"], []],
    );
    assert.deepEqual(cli(["apply", String(plan["plan"]), "--json"], env).json(), report);

    const undone = cli(["undo", String(report["run"]), "--json"], env);
    assert.deepEqual([undone.code, undone.stderr], [0, ""]);
    const { status, restored, refused, undoes } = undone.json();
    assert.deepEqual([status, restored, refused, undoes], ["complete", 2, [], report["run"]]);
    assert.deepEqual(treeState(root), before);
  });

  it("of cleanup --apply --yes: the report of apply", () => {
    const root = makeStaleLibrary("a");
    const env = cliEnvironment();
    const result = cli(["cleanup", root, "--apply", "--yes", "--json"], env);
    assert.deepEqual([result.code, result.stderr], [0, ""]);
    const report = result.json();
    assert.deepEqual([report["status"], report["entries"]], ["complete", 1]);
    assert.deepEqual(cli(["apply", String(report["plan"]), "--json"], env).json(), report);
  });

  it("of cleanup --apply --yes with nothing to do: a report of nothing, exit 0", () => {
    const result = cli(["cleanup", copyLibrary(), "--apply", "--yes", "--json"], cliEnvironment());
    const { status, entries, files } = result.json();
    assert.deepEqual([result.code, status, entries, files], [0, "complete", 0, 0]);
  });

  it("of a blocked cleanup: the plan with cause and advice, exit 15, also with --apply", () => {
    const env = cliEnvironment();
    const missing = join(makePlace(), "missing");
    for (const more of [[], ["--apply", "--yes"]]) {
      const result = cli(["cleanup", missing, "--json", ...more], env);
      assert.deepEqual([result.code, result.stderr], [15, ""]);
      const { status, blocked, entries } = result.json<{
        status: string;
        blocked: { guard: string }[];
        entries: number;
      }>();
      assert.deepEqual([status, blocked.map(({ guard }) => guard), entries], ["blocked", ["root_missing"], 0]);
    }
  });
});

describe("exit codes", () => {
  it("2 for words that are not understood, with a hint", () => {
    const env = cliEnvironment();
    const root = makeStaleLibrary("a");
    fails(["check", root, "--wrong"], env, 2, "invalid_input", /unknown option '--wrong'/);
    fails(["frobnicate"], env, 2, "invalid_input", /unknown command 'frobnicate'/);
    fails(["apply"], env, 2, "invalid_input", /missing required argument 'plan'/);
    assert.equal(cli(["cleanup", root, "--older-than"], env).code, 2);
    fails(["cleanup", root, "--older-than", "soon"], env, 2, "invalid_input", /\/olderThan.*pattern.*"soon"/);
    fails(["cleanup", root, "--max-entries", "many"], env, 2, "invalid_input", /\/maxEntries.*integer.*"many"/);
    fails(["cleanup", root, "--problem", "bad"], env, 2, "invalid_input", /one of "orphaned".*not "bad"/);
    fails(["cleanup", root, "--allow", "all"], env, 2, "invalid_input", /one of "root_empty".*"in_use".*not "all"/);
    fails(["check", root, "--format", "xml"], env, 2, "invalid_input", /Allowed choices are table, json, csv, html/);
    fails(["check"], env, 2, "invalid_input", /no library was given/);
    fails(["check", join(root, "a", CACHE)], env, 2, "invalid_input", /is not a directory/);
  });

  it("3 when a part was refused", () => {
    const env = cliEnvironment();
    const root = makeStaleLibrary("a", "b");
    const { plan } = cli(["cleanup", root, "--json"], env).json();
    writeMedia(join(root, "a"), "gone.mkv");
    const result = cli(["apply", String(plan), "--json"], env);
    const { status, refused } = result.json<{ status: string; refused: { file: string; code: string }[] }>();
    assert.deepEqual([result.code, status, result.stderr], [3, "partial", ""]);
    assert.deepEqual(
      refused.map(({ file, code }) => [file, code]),
      [[join(root, "a", CACHE), "stale_plan"]],
    );
  });

  it("10 for roots, plans and runs that are not there", () => {
    const env = cliEnvironment();
    fails(["check", join(makePlace(), "missing")], env, 10, "not_found", /does not exist/);
    fails(["check", "no-such-word"], env, 10, "not_found", /no-such-word does not exist/);
    fails(["apply", "plan-none"], env, 10, "not_found", /no plan "plan-none"/);
    fails(["undo", "run-none"], env, 10, "not_found", /no run "run-none"/);
    fails(["undo", "last"], env, 10, "not_found", /no run that could be undone/);
    fails(["history", "run-none"], env, 10, "not_found", /no run/);
  });

  it("11 when another process of ours carries out the run", () => {
    const state = makePlace("state");
    const env = cliEnvironment(state);
    const root = makeStaleLibrary("a");
    const { run, plan } = cli(["cleanup", root, "--apply", "--yes", "--json"], env).json();
    const database = new DatabaseSync(join(state, "state.db"));
    const owner = JSON.stringify(thisOwner());
    database.prepare("UPDATE runs SET state = 'running', report = NULL, owner = ?").run(owner);
    database.close();
    fails(["apply", String(plan)], env, 11, "locked", new RegExp(`process ${pid} on`));
    fails(["undo", String(run)], env, 11, "locked", /being carried out/);
  });

  it("11 when mediabox writes the only cache of the plan", () => {
    const env = cliEnvironment();
    const root = makeStaleLibrary("a");
    const { plan } = cli(["cleanup", root, "--allow", "in_use", "--json"], env).json();
    writeFileSync(join(root, "a", `${CACHE}.tmp`), "{");
    const result = cli(["apply", String(plan), "--json"], env);
    assert.deepEqual([result.code, result.json()["status"]], [11, "refused"]);
  });

  it("12 when all that the plan is about changed, and when it has expired", () => {
    const config = join(makePlace(), "config.json");
    writeFileSync(config, '{"planExpiry": "0s"}');
    const state = makePlace("state");
    const env = cliEnvironment(state);
    const root = makeStaleLibrary("a");
    const { plan } = cli(["cleanup", root, "--json"], env).json();
    writeMedia(join(root, "a"), "gone.mkv");
    const result = cli(["apply", String(plan), "--json"], env);
    assert.deepEqual([result.code, result.json()["status"]], [12, "refused"]);
    rmSync(join(root, "a", "gone.mkv"));
    const late = cli(["cleanup", root, "--json"], cliEnvironment(state, config)).json();
    fails(["apply", String(late["plan"])], env, 12, "expired_plan", /expired at/);
    fails(["apply", String(late["plan"]), "--digest", "0"], env, 12, "stale_plan", /digest/);
  });

  it("13 when a conversion is recorded in a cache that cannot be read", () => {
    const root = makePlace("corrupt");
    const media = writeMedia(root, "one.mkv");
    writeFileSync(join(root, CACHE), '{"torn": ');
    fails(["record", media], cliEnvironment(), 13, "corrupt", /./);
    assert.equal(readFileSync(join(root, CACHE), "utf8"), '{"torn": ');
  });

  it("14 when the state store cannot be used, is no store, or is of a newer program", () => {
    const root = makeStaleLibrary("a");
    const file = join(makePlace(), "file");
    writeFileSync(file, "not a store");
    fails(["cleanup", root], cliEnvironment(file), 14, "unavailable", /state directory/);
    const odd = makePlace("state");
    writeFileSync(join(odd, "state.db"), "this is no database, and long enough to be told from one".repeat(40));
    fails(["cleanup", root], cliEnvironment(odd), 14, "unavailable", /is not a cache-ops state store/);
    const newer = makePlace("state");
    const database = new DatabaseSync(join(newer, "state.db"));
    database.exec("PRAGMA user_version = 99");
    database.close();
    fails(["cleanup", root], cliEnvironment(newer), 14, "unavailable", /newer cache-ops \(store version 99\)/);
  });

  it("15 when a plan is blocked, or its root is gone by the time it is applied", () => {
    const env = cliEnvironment();
    const root = makeStaleLibrary("a");
    const { plan } = cli(["cleanup", root, "--json"], env).json();
    const blocked = cli(["cleanup", join(root, "none"), "--json"], env).json();
    rmSync(root, { recursive: true });
    fails(["apply", String(plan)], env, 15, "blocked", /does not exist/);
    fails(["apply", String(blocked["plan"])], env, 15, "blocked", /is blocked/);
  });

  it("16 when the way to a cache leads out of the library by now", () => {
    const env = cliEnvironment();
    const root = makePlace("library");
    renameSync(makeStaleLibrary("a"), join(root, "disk"));
    const { plan } = cli(["cleanup", root, "--json"], env).json();
    const outside = join(makePlace("outside"), "disk");
    renameSync(join(root, "disk"), outside);
    symlinkSync(outside, join(root, "disk"));
    const before = treeState(outside);
    const result = cli(["apply", String(plan), "--json"], env);
    assert.deepEqual([result.code, result.json()["status"]], [16, "refused"]);
    assert.deepEqual(treeState(outside), before);
  });

  it("2 without a command, after the list of commands", () => {
    const { code, stdout, stderr } = cli([], cliEnvironment());
    assert.deepEqual([code, stdout], [2, ""]);
    for (const { name } of operations) assert.match(stderr, new RegExp(`^  ${name} `, "m"));
    assert.match(stderr, /cache-ops: no command was given\n/);
  });

  it("are listed in the help of every command", () => {
    const { stdout, code } = cli(["cleanup", "--help"], cliEnvironment());
    assert.equal(code, 0);
    for (const line of ["1  stale", "2  invalid_input", "15  blocked", "130  interrupted"])
      assert.ok(stdout.includes(line));
    assert.equal(cli(["--version"], cliEnvironment()).stdout.trim(), versionOfPackage());
  });
});

function versionOfPackage(): string {
  const file = new URL("../../cli/package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

describe("a dry run", () => {
  it("of every verb changes nothing and shows what would be done", () => {
    const env = cliEnvironment();
    const root = makeStaleLibrary("a");
    const before = treeState(root);
    const dry = (...args: string[]) => cli([...args, "--dry-run", "--json"], env);
    for (const verb of ["list", "stats", "doctor"]) assert.equal(dry(verb, root).code, 0, verb);
    assert.equal(dry("check", root).code, 1);
    const planned = dry("cleanup", root, "--apply", "--yes");
    assert.deepEqual([planned.code, planned.json()["status"]], [0, "ready"]);
    assert.equal(dry("repair", root, "--apply", "--yes").json()["status"], "empty");
    const { plan } = planned.json();
    assert.deepEqual([dry("apply", String(plan)).code, dry("apply", String(plan)).json()["plan"]], [0, plan]);
    assert.deepEqual(treeState(root), before);

    const { run } = cli(["apply", String(plan), "--json"], env).json();
    const applied = treeState(root);
    assert.equal(dry("undo", String(run)).code, 0);
    assert.equal(dry("history").code, 0);
    const recorded = dry("record", join(root, "a", "a one.mkv"));
    assert.deepEqual([recorded.code, errorOf(recorded).code], [2, "invalid_input"]);
    assert.deepEqual(treeState(root), applied);
    assert.equal(cli(["undo", String(run)], env).code, 0);
    assert.deepEqual(treeState(root), before);
  });
});

describe("in a pipe", () => {
  it("nothing is on standard error, no progress and no colours", () => {
    const env = { ...cliEnvironment(), FORCE_COLOR: "1" };
    const root = copyLibrary();
    rmSync(join(root, "movies", "AV1 (2023)", "AV1 (2023).mkv"));
    for (const args of [["check"], ["list"], ["stats"], ["cleanup"], ["cleanup", "--apply", "--yes"]]) {
      const { stdout, stderr } = cli([...args, root], env);
      assert.equal(stderr, "", args.join(" "));
      assert.ok(stdout.length > 0 && !stdout.includes("\u001b"), args.join(" "));
    }
  });

  it("whose reader stops early, the program ends quietly", () => {
    const root = makePlace("many");
    for (let index = 0; index < 60; index += 1) {
      const directory = join(root, `a directory with a rather long name, number ${index}`);
      for (const path of makeMovies(
        directory,
        Array.from({ length: 30 }, (_, film) => `${index} ${film}.mkv`),
      ))
        rmSync(path);
    }
    for (const format of ["table", "json", "csv", "html"]) {
      const command = `"${execPath}" "${PROGRAM}" check "${root}" --format ${format} | head -c 100; echo "\${PIPESTATUS[0]}" >&2`;
      const { stdout, stderr } = spawnSync("bash", ["-c", command], { env: cliEnvironment(), encoding: "utf8" });
      assert.equal(stdout.length, 100, format);
      assert.match(stderr, /^[01]\n$/, format);
    }
  });

  it("nobody can be asked: --apply without --yes and --review are refused, and nothing is changed", () => {
    const env = cliEnvironment();
    const root = makeStaleLibrary("a");
    const before = treeState(root);
    fails(["cleanup", root, "--apply"], env, 2, "invalid_input", /not a terminal/);
    fails(["cleanup", root, "--review"], env, 2, "invalid_input", /not a terminal/);
    fails(["cleanup", root, "--review", "--yes"], env, 2, "invalid_input", /not a terminal/);
    assert.deepEqual(treeState(root), before);
  });
});
