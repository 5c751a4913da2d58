import assert from "node:assert/strict";
import { appendFileSync, chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { PROGRAM, cli, cliEnvironment } from "../support/cli.ts";
import { CACHE, copyLibrary, makeMovies } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { openTerminal } from "../support/terminal.ts";
import { treeState } from "../support/tree.ts";

describe("backup and restore on the command line", () => {
  it("put a damaged library back: backup, damage, restore --apply, undo", () => {
    const root = copyLibrary();
    const caches = () => treeState(root).filter((line) => line.includes(CACHE));
    const whole = caches();
    const [here, env] = [makePlace("here"), cliEnvironment()];
    const made = cli(["backup", root, "--archive", "./before.tar.gz", "--json"], env, here);
    assert.equal(made.code, 0, made.stderr);
    assert.equal(made.json()["archive"], join(here, "before.tar.gz"));
    assert.equal(made.json()["files"], 28);
    const [first = "", second = "", third = ""] = [...cachesIn(root)];
    rmSync(first);
    writeFileSync(second, "damaged");
    chmodSync(third, 0o600);
    const damaged = caches();
    const planned = cli(["restore", "./before.tar.gz"], env, here);
    assert.equal(planned.code, 0, planned.stderr);
    assert.match(planned.stdout, /3 changes in 3 caches/);
    assert.match(planned.stdout, /restore .*missing_since_backup/);
    assert.deepEqual(caches(), damaged);
    const applied = cli(["restore", "./before.tar.gz", "--apply", "--yes", "--json"], env, here);
    assert.equal(applied.code, 0, applied.stderr);
    assert.equal(applied.json()["status"], "complete");
    assert.deepEqual(caches(), whole);
    assert.equal(cli(["undo", "last"], env).code, 0);
    assert.deepEqual(caches(), damaged);
  });

  it("take a name without a slash for one among the backups", () => {
    const root = copyLibrary();
    const [here, state] = [makePlace("here"), makePlace("state")];
    const env = cliEnvironment(state);
    assert.equal(cli(["backup", root, "--archive", "before.tar.gz"], env, here).code, 0);
    assert.deepEqual(readdirSync(here), []);
    assert.ok(existsSync(join(state, "backups", "before.tar.gz")));
    assert.equal(cli(["restore", "before.tar.gz", "--json"], env, here).json()["status"], "empty");
  });

  it("say with an exit code of its own what is wrong", () => {
    const root = copyLibrary();
    const env = cliEnvironment();
    const here = makePlace("here");
    const archive = join(here, "a.tar.gz");
    const code = (...words: string[]) => cli(words, env, here).code;
    assert.equal(code("backup", root), 2, "no archive named");
    assert.equal(code("backup", root, "--archive", archive), 0);
    assert.equal(code("backup", root, "--archive", archive), 2, "it exists already");
    assert.equal(code("backup", root, "--archive", archive, "--overwrite"), 0);
    assert.equal(code("backup", join(root, "none"), "--archive", join(here, "b")), 15, "a root is not there");
    assert.equal(code("restore"), 2, "no archive named");
    assert.equal(code("restore", "none"), 10);
    assert.equal(code("backup", root, "--archive", join(here, "c"), "--dry-run"), 2);
    assert.ok(!existsSync(join(here, "c")));
    appendFileSync(archive, "more");
    assert.equal(code("restore", archive, "--apply", "--yes"), 13, "a damaged archive");
  });

  it("let a person choose what to restore", async () => {
    const root = makePlace("library");
    makeMovies(join(root, "a"), ["A.mkv"]);
    makeMovies(join(root, "b"), ["B.mkv"]);
    const env = cliEnvironment();
    assert.equal(cli(["backup", root, "--archive", "x"], env).code, 0);
    const original = readFileSync(join(root, "b", CACHE));
    for (const name of ["a", "b"]) writeFileSync(join(root, name, CACHE), "damaged");
    const terminal = openTerminal([process.execPath, PROGRAM, "restore", "x", "--review"], env);
    await terminal.until(/restore .*differs_from_backup/);
    terminal.type("Space", "Enter");
    await terminal.until(/Apply this plan\?/);
    terminal.type("y", "Enter");
    assert.equal(await terminal.ended(), 0);
    assert.equal(readFileSync(join(root, "a", CACHE), "utf8"), "damaged");
    assert.deepEqual(readFileSync(join(root, "b", CACHE)), original);
  });
});

function cachesIn(root: string): string[] {
  return readdirSync(join(root, "movies"))
    .map((name) => join(root, "movies", name, CACHE))
    .filter((path) => existsSync(path) && !path.includes("Linked dir"));
}
