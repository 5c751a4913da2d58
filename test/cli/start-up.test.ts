import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";
import { fileURLToPath } from "node:url";

import { cli, cliEnvironment, PROGRAM } from "../support/cli.ts";
import { writeCache } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";

const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

/** Prints every module that is loaded. */
const WATCH = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from "node:module";
  registerHooks({ load: (url, context, next) => (console.error(url), next(url, context)) });
`)}`;

describe("the question for the version", () => {
  for (const flag of ["--version", "-V"]) {
    it(`${flag} is answered before anything else is loaded`, () => {
      const { stdout, stderr, status } = spawnSync(execPath, ["--import", WATCH, MAIN, flag], { encoding: "utf8" });
      assert.equal(status, 0);
      assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
      const loaded = stderr
        .trim()
        .split("\n")
        .map((url) => url.split("/").at(-1));
      assert.deepEqual(loaded, ["main.ts", "version.ts", "package.json"]);
    });
  }
});

describe("compiled code", () => {
  const codeIn = (state: string) => join(state, "compiled-code");

  it("is kept in the state directory, where the next start leaves it as it is", () => {
    const state = makePlace("state");
    assert.equal(cli(["history"], cliEnvironment(state)).code, 0);
    const kept = treeState(codeIn(state));
    assert.ok(kept.length > 2);
    assert.equal(cli(["history"], cliEnvironment(state)).code, 0);
    assert.deepEqual(treeState(codeIn(state)), kept);
  });

  it("makes no state directory", () => {
    const state = join(makePlace(), "state");
    assert.equal(cli(["--help"], cliEnvironment(state)).code, 0);
    assert.ok(!existsSync(state));
  });

  for (const mode of [0o770, 0o707]) {
    it(`is neither kept in a directory of mode ${mode.toString(8)} nor run from there: others could have put it there`, () => {
      const state = makePlace("state");
      chmodSync(state, mode);
      assert.equal(cli(["--help"], cliEnvironment(state)).code, 0);
      assert.deepEqual(readdirSync(state), []);
    });
  }

  it("is not kept where nothing can be written, and nobody hears of it", () => {
    const state = makePlace("state");
    // As somebody whose directory it is, but who may not write to it: root may write everywhere.
    chmodSync(state, 0o500);
    const words = ["--reuid=65534", "--regid=65534", "--clear-groups", execPath, PROGRAM, "--help"];
    spawnSync("chown", ["65534", state]);
    const { status, stderr } = spawnSync("setpriv", words, { env: cliEnvironment(state), encoding: "utf8" });
    assert.deepEqual([status, stderr], [0, ""]);
    assert.deepEqual(readdirSync(state), []);
  });

  it("is kept whole when several processes start at once", async () => {
    const state = makePlace("state");
    const env = cliEnvironment(state);
    const ends = Array.from({ length: 4 }, async () => {
      const child = spawn(execPath, [PROGRAM, "--help"], { env, stdio: "ignore" });
      return (await once(child, "exit")) as [number | null];
    });
    for (const [code] of await Promise.all(ends)) assert.equal(code, 0);
    const files = readdirSync(codeIn(state), { recursive: true, encoding: "utf8" });
    for (const name of files) assert.doesNotMatch(name, /\.\w{6}$/, "a temporary file was left behind");
    const kept = treeState(codeIn(state));
    assert.equal(cli(["--help"], env).code, 0);
    assert.deepEqual(treeState(codeIn(state)), kept);
    assert.equal(statSync(state).mode & 0o777, 0o700);
  });
});

describe("compiled code of what is built", () => {
  const BUILT = fileURLToPath(new URL("../../cli/dist/cache-ops.js", import.meta.url));
  const run = (state: string, ...words: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(execPath, [BUILT, ...words], {
      env: cliEnvironment(state),
      encoding: "utf8",
    });
    return { status, stdout, stderr };
  };
  const kept = (state: string, command: string) => {
    const directory = join(state, "compiled-code", command);
    return readdirSync(directory).map((name) => join(directory, name));
  };

  it("is kept for each command by itself, once it has succeeded", () => {
    const state = makePlace("state");
    assert.equal(run(state, "history", "--limit", "none").status, 2);
    assert.ok(!existsSync(join(state, "compiled-code")));
    for (const words of [["history"], ["--help"]]) assert.equal(run(state, ...words).status, 0);
    assert.deepEqual(readdirSync(join(state, "compiled-code")).toSorted(), ["help", "history"]);
    for (const file of kept(state, "history")) assert.equal(statSync(file).mode & 0o777, 0o600);
  });

  it("does not stay for ever when another build has other pieces", () => {
    const state = makePlace("state");
    assert.equal(run(state, "history").status, 0);
    const [changed = ""] = kept(state, "history");
    const [old, young] = ["old", "young"].map((name) => join(state, "compiled-code", "history", name));
    assert.ok(old !== undefined && young !== undefined);
    for (const file of [old, young]) writeFileSync(file, "");
    utimesSync(old, 1_700_000_000, 1_700_000_000);
    // Room is made when something is written.
    assert.equal(run(state, "history").status, 0);
    assert.ok(existsSync(old));
    rmSync(changed);
    assert.equal(run(state, "history").status, 0);
    assert.deepEqual([existsSync(old), existsSync(young), existsSync(changed)], [false, true, true]);
  });

  const damages: Readonly<Record<string, (code: Buffer) => Buffer>> = {
    "is cut short": (code) => code.subarray(0, code.length >> 1),
    "is empty": () => Buffer.alloc(0),
    "has a wrong byte": (code) => {
      code.writeUInt8(code.readUInt8(code.length >> 1) ^ 1, code.length >> 1);
      return code;
    },
    "was made of another source": (code) => {
      code.writeUInt8(code.readUInt8(0) ^ 1, 0);
      return code;
    },
  };
  for (const [what, damage] of Object.entries(damages)) {
    it(`is not run when it ${what}, and made anew`, () => {
      const state = makePlace("state");
      const first = run(state, "history", "--json");
      const files = kept(state, "history");
      assert.ok(files.length > 5);
      const whole = files.map((file) => readFileSync(file));
      for (const file of files) writeFileSync(file, damage(readFileSync(file)));
      const damaged = files.map((file) => readFileSync(file));
      assert.deepEqual(run(state, "history", "--json"), first);
      for (const [index, file] of files.entries()) {
        assert.notDeepEqual(readFileSync(file), damaged[index]);
        assert.ok(readFileSync(file).length > (whole[index]?.length ?? 0) / 2);
      }
    });
  }
});

describe("a plan", () => {
  it("is made without loading what it has no use for: other operations, other kinds of work, the core as a whole", () => {
    const library = makePlace("library");
    writeCache(library, []);
    const state = makePlace("state");
    const { stderr, status } = spawnSync(execPath, ["--import", WATCH, MAIN, "cleanup", library, "--json"], {
      encoding: "utf8",
      env: cliEnvironment(state),
    });
    assert.equal(status, 0);
    const loaded = new Set(stderr.split("\n").map((url) => url.replace(/^.*\/(cli|shared|mcp-server)\//, "$1/")));
    assert.ok(loaded.has("shared/operations/cleanup.ts"));
    for (const unneeded of [
      "cli/mcp.ts",
      "cli/serve.ts",
      "mcp-server/index.ts",
      "shared/apply.ts",
      "shared/caches/engine/plan.ts",
      "shared/caches/jellyfin/planned-clear.ts",
      "shared/caches/managed/scan.ts",
      "shared/caches/probe/media-audit/scan.ts",
      "shared/export.ts",
      "shared/index.ts",
      "shared/mtime.ts",
      "shared/operations.ts",
      "shared/operations/check.ts",
      "shared/schedulable.ts",
      "shared/schedule.ts",
      "shared/step.ts",
    ])
      assert.ok(!loaded.has(unneeded), unneeded);
    for (const builtin of ["node:http", "node:https", "node:net", "node:readline"]) assert.ok(!loaded.has(builtin));
  });

  it("waits for no disk: it can be made again", () => {
    const library = makePlace("library");
    writeCache(library, []);
    const env = cliEnvironment();
    assert.equal(cli(["cleanup", library], env).code, 0);
    const trace = ["-f", "-qq", "-e", "trace=fsync,fdatasync", execPath, PROGRAM, "cleanup", library, "--json"];
    const { stdout, stderr, status } = spawnSync("strace", trace, { encoding: "utf8", env });
    assert.equal(status, 0);
    assert.equal((JSON.parse(stdout) as { status: string }).status, "empty");
    assert.doesNotMatch(stderr, /sync\(/);
  });
});
