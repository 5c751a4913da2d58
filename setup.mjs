// Installs what is missing, then runs a task on the Node this repository pins. Works on Node 20 with nothing installed.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const node = join(root, "node_modules", "node", "bin", process.platform === "win32" ? "node.exe" : "node");
const [task = "", ...words] = process.argv.slice(2);

installPackages();
// A test that fails may leave a server running: that must not keep the run from ending.
const mocha = [
  "--import",
  "./test/support/built-threads.mjs",
  "node_modules/mocha/bin/mocha.js",
  "--exit",
  ...(process.env.CI ? ["--no-color"] : []),
];
const suites = (...names) => names.map((name) => `test/${name}/**/*.test.ts`);
/** Parts that take about as long as each other, so that all end together; `others` are what is in none of them. */
const parts = [
  suites("faults", "cli", "bench"),
  suites("host", "shared/managed"),
  suites("mcp-server", "house", "extension"),
];
const others = ["test/**/*.test.ts", ...parts.flat().flatMap((files) => ["--ignore", files])];
/** The steps of each task; what stands in one step runs at the same time. */
const tasks = {
  start: [[["cli/start.ts", ...words]]],
  faults: words.includes("--long")
    ? [[["build.ts", "tests"]], [["test/faults/long.ts", ...words]]]
    : [[["test/setup.ts"]], [["build.ts", "tests"]], [[...mocha, ...suites("faults"), ...words]]],
  test: [
    [["test/setup.ts"]],
    [["build.ts", "tests"]],
    words.length > 0 ? [[...mocha, ...words]] : [others, ...parts].map((files) => [...mocha, ...files]),
  ],
};
if (!(task in tasks)) fail(`setup.mjs knows the tasks ${Object.keys(tasks).join(", ")}`);
for (const step of tasks[task]) {
  // One of several is seen at work; what the others say follows when they have ended.
  const ends = await Promise.all(
    step.map((args, index) => run(node, args, step.length === 1 ? "inherit" : index === 0 ? "shown" : "kept")),
  );
  const code = ends.map((end) => end.code).find((each) => each !== 0);
  if (code === undefined) continue;
  // Once more where everybody looks first: what failed, without mocha's count of it.
  for (const { said } of ends) process.stdout.write(said.split(/^ {2}\d+ failing$/m)[1] ?? "");
  process.exit(code);
}

function installPackages() {
  const stamp = join(root, "node_modules", ".cache-ops-installed");
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (existsSync(node) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  console.error("Installing packages (npm ci) …");
  const npm = process.env.npm_execpath;
  const [command, args] = npm ? [process.execPath, [npm, "ci"]] : ["npm", ["ci"]];
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], shell: !npm });
  if (status !== 0) fail(`npm ci failed${error ? `: ${error.message}` : ""}. Is the npm registry reachable?`);
  writeFileSync(stamp, wanted);
}

function run(command, args, output) {
  return new Promise((resolve) => {
    const PATH = `${dirname(command)}${process.platform === "win32" ? ";" : ":"}${process.env.PATH}`;
    const child = spawn(command, args, {
      cwd: root,
      stdio: output === "inherit" ? "inherit" : ["ignore", "pipe", "pipe"],
      env: { ...process.env, PATH, CACHE_OPS_TEST_BUILT: "1", INIT_CWD: process.env.INIT_CWD ?? process.cwd() },
    });
    for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
    child.on("error", (error) => fail(`${command}: ${error.message}`));
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text) => {
        said += text;
        if (output === "shown") process.stdout.write(text);
      });
    }
    child.on("close", (code, signal) => {
      if (output === "kept") process.stdout.write(said);
      resolve({ code: signal === null ? code : 1, said });
    });
  });
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
