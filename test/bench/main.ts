import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, release, tmpdir, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { argv, env, exit, platform, stderr, version } from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { applyBench, checkBench, coldBench, planBench, rerunBench, staleBench } from "./cleanup.ts";
import { makeTree, SHAPES } from "./library-tree.ts";
import { benchManaged } from "./managed-apart.ts";
import { benchProbing } from "./probing.ts";
import { quotaBench } from "./quota.ts";
import { runRounds } from "./rounds.ts";
import type { Bench, Program, Scene } from "./scene.ts";
import { findingsOf, show, type Findings } from "./show.ts";
import { startBench } from "./start.ts";
import { benchTree } from "./tree.ts";
import { benchWatch } from "./watch.ts";

/*
 * `npm run bench [-- WORDS] [--size small] …`: measures the built program against others on the same tree, in turn.
 * Without words: everything, on a tree of 4,000 caches. Prints tables, and writes the figures with `--json FILE`. They
 * are figures of one machine; what can be compared are ratios. It ends badly only when an answer is wrong.
 */

const BENCHES: Readonly<Record<string, (scene: Scene) => Bench | undefined | Promise<Bench>>> = {
  plan: planBench,
  stale: staleBench,
  check: checkBench,
  rerun: rerunBench,
  apply: applyBench,
  cold: coldBench,
  start: startBench,
  quota: quotaBench,
};
const OTHERS = ["scan", "managed", "watch", "tree"];
const WORDS = [...Object.keys(BENCHES), ...OTHERS];

const { values, positionals } = parseArgs({
  args: argv.slice(2),
  allowPositionals: true,
  options: {
    size: { type: "string", default: "medium" },
    rounds: { type: "string", default: "7" },
    /** Keeps the trees there, for the next time; otherwise they are removed in the end. */
    trees: { type: "string" },
    json: { type: "string" },
    /** `cli/bin/cache-ops.js` of the build to measure, and of an older one that runs in turn with it. */
    program: { type: "string" },
    before: { type: "string" },
    /** scan: films in the library, and the program to probe them with. */
    files: { type: "string", default: "400" },
    ffprobe: { type: "string", default: "ffprobe" },
    /** managed: directories in the register. */
    directories: { type: "string", default: "1000000" },
  },
});
const unknown = positionals.filter((word) => !WORDS.includes(word));
if (unknown.length > 0) throw new Error(`no benchmark is called ${unknown.join(", ")}; there are ${WORDS.join(", ")}`);
const words = positionals.length > 0 ? positionals : WORDS;
const from = env["INIT_CWD"] ?? ".";
const own = fileURLToPath(new URL("../../cli/bin/cache-ops.js", import.meta.url));
const programs: Program[] = [
  { label: "", path: values.program === undefined ? own : resolve(from, values.program) },
  ...(values.before === undefined ? [] : [{ label: "before", path: resolve(from, values.before) }]),
];

const place = mkdtempSync(join(tmpdir(), "cache-ops-bench-"));
process.on("exit", () => rmSync(place, { recursive: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => exit(130));
const machine = describeMachine();
console.log(Object.values(machine).join(" · "));
const found: Record<string, unknown> = {};
for (const word of words) {
  stderr.write(`${word} …\n`);
  const bench = BENCHES[word];
  if (word === "scan") found[word] = await benchProbing(place, Number(values.files), values.ffprobe, programs[0]);
  else if (word === "managed") found[word] = benchManaged(Number(values.directories));
  else if (word === "tree") found[word] = await benchTree(place);
  else if (word === "watch") found[word] = await benchWatch(place, treeOf(values.size).tree, programs[0], 20);
  else if (bench !== undefined) found[word] = await measure(bench);
}
if (values.json !== undefined) {
  writeFileSync(resolve(from, values.json), `${JSON.stringify({ machine, ...values, found }, undefined, 1)}\n`);
}

async function measure(prepare: (typeof BENCHES)[string]): Promise<(Findings & { size: string }) | undefined> {
  const isStart = prepare === startBench;
  const { size, tree } = treeOf(isStart && values.size !== "tiny" ? "small" : values.size);
  const rounds = Number(values.rounds) * (isStart ? 3 : 1);
  const bench = await prepare({ place, tree, programs, rounds });
  if (bench === undefined) {
    console.log("\nNot here: the page cache cannot be dropped.");
    return undefined;
  }
  const findings = findingsOf(bench, await runRounds(bench.contenders, rounds));
  const { directories, media, caches, entries, cacheBytes } = tree.truth;
  console.log(show(findings));
  console.log(
    `\n${size}: ${directories} directories, ${media} media, ${caches} caches, ${entries} entries, ${Math.round(cacheBytes / 1e6)} MB of JSON; ${rounds} rounds`,
  );
  return { ...findings, size };
}

function treeOf(size: string) {
  const shape = SHAPES[size as keyof typeof SHAPES];
  if (shape === undefined) throw new Error(`no size is called ${size}; there are ${Object.keys(SHAPES).join(", ")}`);
  const home = join(values.trees === undefined ? place : resolve(from, values.trees), size);
  mkdirSync(home, { recursive: true });
  return { size, tree: makeTree(home, shape) };
}

function describeMachine() {
  const git = (...words: string[]) => execFileSync("git", words, { encoding: "utf8" }).trim();
  return {
    date: new Date().toISOString(),
    commit: `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain") === "" ? "" : " with changes"}`,
    processor: `${availableParallelism()} × ${cpus()[0]?.model}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GB`,
    system: `${platform} ${release()}`,
    node: version,
  };
}
