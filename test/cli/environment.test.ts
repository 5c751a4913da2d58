import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { cli, cliEnvironment } from "../support/cli.ts";
import { CACHE, copyLibrary, makeMovies } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { makeStaleLibrary } from "../support/runs.ts";
import { treeState } from "../support/tree.ts";

function writeConfig(text: string): string {
  const file = join(makePlace("config"), "config.json");
  writeFileSync(file, text);
  return file;
}

/** Runs `check` with a configuration and returns its error. */
function errorWith(config: string) {
  const { code, stdout, stderr } = cli(["check", "--json"], cliEnvironment(makePlace("state"), config));
  assert.deepEqual([code, stderr], [2, ""]);
  return (JSON.parse(stdout) as { error: { code: string; message: string; hint: string } }).error;
}

describe("CACHE_OPS_CONFIG", () => {
  it("names libraries, which are used by name, and all of them when none is named", () => {
    const [films, series] = [makeStaleLibrary("a"), makeStaleLibrary("b", "c")];
    const libraries = [
      { name: "films", roots: [films] },
      { name: "series", roots: [join(series, "*")] },
    ];
    const env = cliEnvironment(makePlace("state"), writeConfig(JSON.stringify({ libraries })));
    const entries = (...words: string[]) => cli(["check", ...words, "--json"], env).json()["byProblem"];
    assert.deepEqual(entries(), { orphaned: 3 });
    assert.deepEqual(entries("films"), { orphaned: 1 });
    assert.deepEqual(entries("series"), { orphaned: 2 });
    assert.deepEqual(entries("films", join(series, "b")), { orphaned: 2 });
    assert.equal(cli(["check", "film", "--json"], env).code, 10);
  });

  it("holds for guards and for what is kept", () => {
    const root = makeStaleLibrary("a", "b");
    const config = { keep: ["a/**"], guards: { maxEntries: 1 } };
    const keeping = cliEnvironment(makePlace("state"), writeConfig(JSON.stringify(config)));
    const plan = cli(["cleanup", root, "--json"], keeping).json<{ entries: number; skipped: { rule: string }[] }>();
    assert.deepEqual([plan.entries, plan.skipped.map(({ rule }) => rule)], [1, ["kept_by_configuration"]]);
    const capped = cliEnvironment(makePlace("state"), writeConfig('{"guards": {"maxEntries": 1}}'));
    assert.equal(cli(["cleanup", root, "--json"], capped).code, 15);
  });

  it("that does not exist is refused, and the file is named", () => {
    const file = join(makePlace(), "none.json");
    const { code, message, hint } = errorWith(file);
    assert.equal(code, "invalid_input");
    assert.ok(message.includes(file) && hint.includes("CACHE_OPS_CONFIG"));
  });

  it("that is not JSON is refused, and the place is named", () => {
    const file = writeConfig('{"keep": ["a",]}');
    const { message, hint } = errorWith(file);
    assert.ok(message.includes(file) && message.includes("is not JSON"), message);
    assert.match(hint, /JSON without comments/);
  });

  const wrong: readonly (readonly [text: string, message: RegExp])[] = [
    [
      '{"keeep": []}',
      /unknown property "keeep"; known are "\$schema", "libraries", "keep", "guards", "ffprobe", "probe", "managed", "engines", "jellyfin", "service"/,
    ],
    ['{"guards": {"ratio": 1}}', /\/guards: unknown property "ratio"; known are "staleRatio", "maxEntries", "minAge"/],
    ['{"guards": {"staleRatio": 2}}', /\/guards\/staleRatio: must be <= 1 \(rule maximum\), got 2/],
    ['{"planExpiry": "1 hour"}', /\/planExpiry: must match pattern .* got "1 hour"/],
    ['{"libraries": [{"name": "a"}]}', /\/libraries\/0: property "roots" is required/],
    ['{"libraries": [{"name": "a/b", "roots": ["/x"]}]}', /\/libraries\/0\/name: must match pattern/],
    ["[]", /\(top level\): must be object/],
    ["null", /\(top level\): must be object/],
    ['{"keep": "a", "planExpiry": 5}', /\/keep: must be array .*; \/planExpiry: must be string/],
  ];
  for (const [text, message] of wrong) {
    it(`${text} is refused, with path, rule and what is allowed`, () => {
      const error = errorWith(writeConfig(text));
      assert.equal(error.code, "invalid_input");
      assert.match(error.message, message);
      assert.match(error.hint, /^Correct (this value|these values)/);
    });
  }

  it("may be missing where nothing was set", () => {
    const home = makePlace("home");
    const { CACHE_OPS_CONFIG: _, ...env } = cliEnvironment();
    const nowhere = { ...env, HOME: home, XDG_CONFIG_HOME: join(home, "config") };
    assert.equal(cli(["check", copyLibrary(), "--json"], nowhere).code, 0);
    assert.ok(!existsSync(join(home, "config")));
  });
});

describe("CACHE_OPS_STATE_DIR", () => {
  it("is where the store is made, for its owner only, and nowhere else", () => {
    const state = join(makePlace(), "deep", "state");
    const home = makePlace("home");
    const env = { ...cliEnvironment(state), HOME: home, XDG_DATA_HOME: join(home, "data") };
    assert.equal(cli(["cleanup", makeStaleLibrary("a"), "--json"], env).code, 0);
    assert.ok(existsSync(join(state, "state.db")));
    assert.equal(statSync(state).mode & 0o777, 0o700);
    assert.deepEqual(treeState(home).length, 1);
  });

  it("is not made by operations that need no store", () => {
    const state = join(makePlace(), "state");
    for (const verb of ["check", "list", "stats"]) cli([verb, copyLibrary()], cliEnvironment(state));
    assert.ok(!existsSync(state));
  });

  it("separates plans and histories", () => {
    const [one, two] = [cliEnvironment(), cliEnvironment()];
    const { plan } = cli(["cleanup", makeStaleLibrary("a"), "--json"], one).json();
    assert.equal(cli(["apply", String(plan), "--json"], two).code, 10);
    assert.equal(cli(["apply", String(plan), "--json"], one).code, 0);
    assert.deepEqual(cli(["history", "--json"], two).json()["runs"], []);
  });
});

describe("the way of printing", () => {
  it("table gives title, figures, one line a change, and what to do next", () => {
    const { stdout, code } = cli(["cleanup", makeStaleLibrary("a", "b")], cliEnvironment());
    assert.equal(code, 0);
    assert.match(stdout, /^2 changes in 2 caches, \d+ B freed\. Nothing was changed yet\.\n/);
    assert.equal(stdout.split("\n").filter((line) => line.includes("gone.mkv")).length, 2);
    assert.match(stdout, /`cache-ops apply plan-[0-9a-z]+` does exactly this\.\n$/);
  });

  it("csv has a line for every finding", () => {
    const { stdout, code } = cli(["check", makeStaleLibrary("a", "b"), "--format", "csv"], cliEnvironment());
    assert.equal(code, 1);
    const lines = stdout.trimEnd().split("\n");
    assert.deepEqual([lines[0], lines.length], ["Problem,Media,Cache,Reason", 3]);
  });

  it("html is one page", () => {
    const { stdout } = cli(["check", makeStaleLibrary("a"), "--format", "html"], cliEnvironment());
    assert.ok(stdout.startsWith("<!doctype html>") && stdout.trimEnd().endsWith("</html>"));
    assert.ok(stdout.includes("<td>gone.mkv</td>"));
  });

  it("json with detail full lists every change", () => {
    const args = ["cleanup", makeStaleLibrary("a"), "--json", "--detail", "full"];
    const { changes } = cli(args, cliEnvironment()).json<{ changes: { name: string }[] }>();
    assert.deepEqual(
      changes.map(({ name }) => name),
      ["gone.mkv"],
    );
  });

  for (const format of ["table", "json", "csv", "html"]) {
    it(`--output writes ${format} into a file and nothing on standard output`, () => {
      const root = makeStaleLibrary("a");
      const file = join(makePlace("output"), "report");
      const env = cliEnvironment();
      const direct = cli(["check", root, "--format", format], env);
      const { code, stdout, stderr } = cli(["check", root, "--format", format, "--output", file], env);
      assert.deepEqual([code, stdout, stderr], [1, "", `Written to ${file}\n`]);
      const stable = (text: string) => text.replace(/<footer>.*<\/footer>/, "");
      assert.equal(stable(readFileSync(file, "utf8")), stable(direct.stdout));
    });
  }

  it("--output to a place that does not exist is an error that names it, after which nothing is there", () => {
    const file = join(makePlace(), "none", "report");
    const { code, stderr, stdout } = cli(["check", makeStaleLibrary("a"), "--output", file], cliEnvironment());
    assert.deepEqual([code, stdout], [14, ""]);
    assert.ok(stderr.includes(`cannot write ${file}: ENOENT`), stderr);
  });
});

describe("words on the command line", () => {
  it("that name no library are paths from the current directory", () => {
    const root = makeStaleLibrary("a");
    const env = cliEnvironment();
    for (const [word, cwd] of [
      [".", root],
      ["./a", root],
      ["a", root],
      ["a/", root],
      ["..", join(root, "a")],
    ] as const) {
      const result = cli(["check", word, "--json"], env, cwd);
      assert.equal(result.code, 1, `${word}: ${result.stdout}`);
      const { findings } = result.json<{ findings: { cache: string }[] }>();
      assert.equal(findings[0]?.cache, join(root, "a", CACHE), word);
    }
  });

  it("may be given several times or with commas where a list of words is meant", () => {
    const root = makePlace("words");
    const [gone = "", changed = ""] = makeMovies(root, ["gone.mkv", "changed.mkv", "c.mkv", "d.mkv", "e.mkv"]);
    rmSync(gone);
    writeFileSync(changed, "other");
    const env = cliEnvironment();
    const entries = (...args: string[]) => cli(["cleanup", root, "--json", ...args], env).json()["entries"];
    assert.equal(entries("--problem", "orphaned,changed"), 2);
    assert.equal(entries("--problem", "orphaned", "--problem", "changed"), 2);
    assert.equal(entries("--problem", "orphaned", "changed"), 2);
    assert.equal(entries("--changed", "--exclude", "gone*", "--exclude", "*,x"), 1);
    assert.equal(entries("--include", "{gone,changed}.mkv", "--changed"), 2);
  });

  it("for numbers of changes take exactly these", () => {
    const env = cliEnvironment();
    const { plan } = cli(["cleanup", makeStaleLibrary("a", "b", "c"), "--json"], env).json();
    const narrow = (only: string) => cli(["cleanup", "--from", String(plan), "--only", only, "--json"], env);
    assert.equal(narrow("1,3").json()["entries"], 2);
    assert.equal(narrow("4").code, 2);
    assert.equal(narrow("x").code, 2);
    const loose = cli(["cleanup", makeStaleLibrary("a"), "--only", "1", "--apply", "--yes", "--json"], env);
    assert.deepEqual([loose.code, /must have property from/.test(loose.stdout)], [2, true]);
  });
});
