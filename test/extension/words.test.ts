import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";

import { explain, inShort, prospect, RULES } from "../../extension/words.ts";
import { PROBLEMS } from "../../shared/index.ts";

/** Where media-audit's cache is judged; what an import says of an entry is shown by other faces. */
const MEDIA_AUDIT = ["absence", "draft", "entry", "judge", "scan", "subtree"];
/** Where directories of managed caches are chosen, and what keeps them. */
const MANAGED = ["choose", "scan", "cold", "warm", "in-use"];
const SOURCES = [
  "../../shared/policy.ts",
  "../../shared/archive/draft.ts",
  "../../shared/archive/restore-plan.ts",
  ...sourcesOf("../../shared/caches/directory/"),
  ...MANAGED.map((name) => `../../shared/caches/managed/${name}.ts`),
  "../../shared/caches/engine/plan.ts",
  "../../shared/caches/engine/idle-judge.ts",
  "../../shared/caches/jellyfin/clear-plan.ts",
  "../../shared/caches/jellyfin/planned-clear.ts",
  ...MEDIA_AUDIT.map((name) => `../../shared/caches/probe/media-audit/${name}.ts`),
];

/** Words with an underscore, or beside `rule`, that are something else: fields of entries, actions, errors, guards. */
const OTHER =
  /^(file_(path|name|size|mtime)|last_(scanned|processed|conversion_duration)|codec_(video|audio)|conversion_count|processing_error|write_file|remove_file|release_lock|not_found|cache_time|schema_version|open_files_hidden|not_enough|no_room|pack_gone|invalid_input|was_idle|run_task|provider_(down|empty|shrunk)|unknown_version)$/;
/** Files that are about the content of entries only. */
const CONTENT =
  /(schema|statistics|fresh-entry|probed-fields|needs-conversion|entry-edit|python-json|fingerprint|salvage|names|noted-probe)\.ts$/;

describe("the words for rules", () => {
  it("say something about every rule of the core", () => {
    const silent = [...rulesInSources()].filter((rule) => !Object.hasOwn(RULES, rule));
    assert.deepEqual(silent, []);
  });

  it("say nothing about rules that do not exist", () => {
    const text = SOURCES.map(read).join("\n");
    // The state of a library makes a rule of each: `library_${state}`.
    const invented = Object.keys(RULES).filter(
      (rule) => !text.includes(`"${rule}"`) && !(rule.startsWith("library_") && text.includes("`library_${")),
    );
    assert.deepEqual(invented, []);
  });

  it("are whole sentences", () => {
    for (const [rule, words] of Object.entries(RULES)) {
      assert.match(words, /^(\{\}|[A-Z]).*[.]$/, rule);
      assert.ok(!words.includes("\n"), rule);
    }
  });

  it("hold what was observed, on one line, cut and without characters that hide or turn text", () => {
    const text = explain("drifted", "name_differs", `a\nb\u202e$&${"x".repeat(500)}`);
    assert.match(text, /is that of a\\nb\\u\{202e\}\$&x+…, but the entry/);
    assert.ok(text.length < 300);
  });

  it("say what the problem is where a rule has none, and name the rule", () => {
    assert.equal(explain("corrupt", "EIO", null), "It cannot be used as it is. (EIO)");
    assert.equal(explain("corrupt", "toString", null), "It cannot be used as it is. (toString)");
  });

  it("name what a cleanup would do for every problem", () => {
    for (const problem of PROBLEMS) {
      assert.match(prospect(problem, "any"), /^(A|It) .*\.$/);
      assert.ok(inShort(problem).startsWith(`${problem}: `));
    }
    assert.match(prospect("corrupt", "invalid_json", true), /saves every entry/);
    assert.match(prospect("changed", "time_cut_by_another_mount"), /always/);
  });
});

function rulesInSources(): Set<string> {
  const found = new Set<string>();
  for (const source of SOURCES.filter((path) => !CONTENT.test(path))) {
    const text = read(source);
    for (const [, word = ""] of text.matchAll(/"([a-z0-9]+(?:_[a-z0-9]+)+)"/g)) found.add(word);
    for (const [, word = ""] of text.matchAll(/\b(?:rule: |skip\(|rule === )"([a-z_]+)"/g)) found.add(word);
  }
  return new Set([...found].filter((word) => !OTHER.test(word)));
}

function sourcesOf(directory: string): string[] {
  return readdirSync(new URL(directory, import.meta.url))
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${directory}${name}`);
}

function read(path: string): string {
  return readFileSync(new URL(path, import.meta.url), "utf8");
}
