import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { arch, env, execPath, platform } from "node:process";
import { fileURLToPath } from "node:url";

/**
 * A real VS Code from the npm registry alone: the server in the package code-server, without code-server around it. It
 * lives in `.vscode-host`, run by the Node this repository pins. No compiler, no install scripts, nothing for the system.
 */

const VERSION = "4.139.1"; // VS Code 1.139.1
const RECIPE = 1; // counted up when the steps below change
const DIRECTORY = fileURLToPath(new URL("../../.vscode-host", import.meta.url));
const VSCODE = join(DIRECTORY, "node_modules", "code-server", "lib", "vscode");
const STAMP = join(DIRECTORY, `.ready-${VERSION}-${RECIPE}`);

/** What the server runs on and its entry. */
export const HOST = {
  node: join(dirname(createRequire(import.meta.url).resolve("node/package.json")), "bin", "node"),
  server: join(VSCODE, "out", "server-main.js"),
};

/** Left out, for 370 MB less: Copilot, the agent SDK, sign-in, what other platforms need. */
const UNUSED = [
  "node_modules/@github",
  "node_modules/@microsoft/mxc-sdk",
  "node_modules/@vscode/windows-process-tree",
  "node_modules/@vscode/tree-sitter-wasm",
  "extensions/copilot",
  "extensions/mermaid-markdown-features",
  "extensions/microsoft-authentication",
];

/** Settings of an outer npm that say how to reach the registry. All others are about the outer project. */
const KEPT =
  /^npm_config_(registry|cache|userconfig|globalconfig|(https?_)?proxy|noproxy|ca|cafile|strict_ssl|\/\/.*)$/i;

/** Installs the host if it is not there. Throws an error that says what to do. */
export function installHost(): void {
  if (isHostInstalled()) return;
  if (platform !== "linux" || arch !== "x64") {
    throw new Error(
      `The VS Code that the tests bring along runs on Linux x64, not on ${platform} ${arch}. ` +
        "To run the suites in a desktop VS Code: npm run test:electron",
    );
  }
  console.error(`Installing VS Code's server (code-server ${VERSION}) into .vscode-host …`);
  rmSync(DIRECTORY, { recursive: true, force: true });
  mkdirSync(DIRECTORY);
  const manifest = { name: "vscode-host", private: true, version: "0.0.0", dependencies: { "code-server": VERSION } };
  writeFileSync(join(DIRECTORY, "package.json"), JSON.stringify(manifest));
  // Scripts stay off: those of code-server compile a dozen modules, none of which the tests need.
  npm(DIRECTORY);
  npm(VSCODE);
  for (const name of UNUSED) rmSync(join(VSCODE, name), { recursive: true, force: true });
  const searchers = join(VSCODE, "node_modules", "@vscode", "ripgrep-universal", "bin");
  for (const name of readdirSync(searchers))
    if (name !== "linux-x64") rmSync(join(searchers, name), { recursive: true, force: true });
  const { status, stderr } = spawnSync(HOST.node, [HOST.server, "--version"], {
    env: { PATH: env["PATH"], HOME: DIRECTORY },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`The installed VS Code does not start. ${advice()}\n${stderr}`);
  writeFileSync(STAMP, "");
}

export function isHostInstalled(): boolean {
  return existsSync(STAMP) && existsSync(HOST.server);
}

function npm(directory: string): void {
  const words = ["install", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"];
  const outer = env["npm_execpath"];
  const [command, first] = outer?.endsWith("npm-cli.js") ? [execPath, [outer]] : ["npm", []];
  const { status, error } = spawnSync(command, [...first, ...words], {
    cwd: directory,
    stdio: ["ignore", 2, 2],
    env: Object.fromEntries(Object.entries(env).filter(([name]) => !/^npm_/i.test(name) || KEPT.test(name))),
  });
  if (status !== 0)
    throw new Error(`npm install failed in ${directory}${error ? `: ${error.message}` : ""}. ${advice()}`);
}

function advice(): string {
  return `Is the npm registry reachable, and is 1 GB free in ${DIRECTORY}?`;
}
