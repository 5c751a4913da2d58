import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";

import { HOST, isHostInstalled } from "./install.ts";

/** What a VS Code server is started with. */
export interface ServerOptions {
  /** Settings of the user, over quiet defaults. */
  readonly settings?: Settings;
  /** Settings of the machine, where those of `machine` scope may stand too. */
  readonly machineSettings?: Settings;
  /** Environment of the server, and so of the extension host, over a clean one. */
  readonly env?: NodeJS.ProcessEnv;
  /** A packaged extension to install first. */
  readonly vsix?: string;
  /** False: a dialog asks whether to trust the workspace. By default all are trusted. */
  readonly trust?: boolean;
}

export type Settings = Readonly<Record<string, unknown>>;

/** A VS Code server that listens on the loopback interface and has all directories to itself. */
export interface Server {
  readonly url: string;
  /** The directory that holds everything it writes, its home too. */
  readonly home: string;
  readonly extensions: string;
  readonly pid: number;
  log(): string;
  stop(): Promise<void>;
}

/** Keeps VS Code from asking the network and from showing what no test is about. */
export const QUIET: Settings = {
  "chat.disableAIFeatures": true,
  "extensions.autoCheckUpdates": false,
  "extensions.autoUpdate": "off",
  "extensions.ignoreRecommendations": true,
  "git.openRepositoryInParentFolders": "never",
  "remote.autoForwardPorts": false,
  "security.workspace.trust.banner": "never",
  "security.workspace.trust.startupPrompt": "always",
  "telemetry.telemetryLevel": "off",
  "update.mode": "none",
  "workbench.enableExperiments": false,
  "workbench.reduceMotion": "on",
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
};

const START_MS = 60_000;

/** Starts a server and waits until it answers. It dies with this process at the latest. */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  if (!isHostInstalled()) throw new Error("VS Code's server is not installed. Run: node test/setup.ts");
  const home = mkdtempSync(join(tmpdir(), "cache-ops-vscode-"));
  const removeHome = () => rmSync(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  let child: ChildProcess | undefined;
  const killAll = (signal: NodeJS.Signals) => {
    try {
      if (child?.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // The group is empty.
    }
  };
  const abandon = () => {
    killAll("SIGKILL");
    removeHome();
  };
  process.once("exit", abandon);
  try {
    const extensions = join(home, "extensions");
    const env = environment(home, options.env);
    writeSettings(join(home, "data", "User"), { ...QUIET, ...options.settings });
    writeSettings(join(home, "data", "Machine"), options.machineSettings ?? {});
    if (options.vsix !== undefined) installExtension(options.vsix, home, extensions, env);
    const logFile = join(home, "server.log");
    child = spawnServer(home, logFile, [...argumentsFor(home, extensions), ...trustArguments(options.trust)], env);
    const log = () => readFileSync(logFile, "utf8");
    const url = await waitForUrl(child, log);
    return {
      url,
      home,
      extensions,
      pid: child.pid ?? 0,
      log,
      stop: async () => {
        killAll("SIGTERM");
        await Promise.race([ended(child), delay(3000, undefined, { ref: false })]);
        killAll("SIGKILL");
        await ended(child);
        process.removeListener("exit", abandon);
        removeHome();
      },
    };
  } catch (error) {
    process.removeListener("exit", abandon);
    abandon();
    throw error;
  }
}

export function writeSettings(directory: string, settings: Settings): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "settings.json"), JSON.stringify(settings, undefined, 2));
}

/** The environment outside without what a test run adds to it, and with directories of its own. */
function environment(home: string, extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const outside = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|NODE_|VSCODE_|ELECTRON_|XDG_|CACHE_OPS_|MOCHA_)/i.test(name),
  );
  const own = Object.fromEntries(
    ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"].map((name) => [
      name,
      home,
    ]),
  );
  return { ...Object.fromEntries(outside), ...own, EXTENSIONS_GALLERY: "{}", ...extra };
}

function argumentsFor(home: string, extensions: string): string[] {
  const pairs = {
    host: "127.0.0.1",
    port: "0",
    "server-data-dir": home,
    "user-data-dir": join(home, "data"),
    "extensions-dir": extensions,
    "telemetry-level": "off",
  };
  const words = Object.entries(pairs).flatMap(([name, value]) => [`--${name}`, value]);
  return [...words, "--without-connection-token", "--accept-server-license-terms"];
}

function trustArguments(trust = true): string[] {
  return trust ? ["--disable-workspace-trust"] : [];
}

/** In a process group of its own, all of which can be killed; and killed by the kernel when this process dies. */
function spawnServer(cwd: string, logFile: string, words: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const log = openSync(logFile, "a");
  try {
    return spawn("setpriv", ["--pdeathsig", "KILL", HOST.node, HOST.server, ...words], {
      cwd,
      env,
      stdio: ["ignore", log, log],
      detached: true,
    });
  } finally {
    closeSync(log);
  }
}

async function waitForUrl(child: ChildProcess, log: () => string): Promise<string> {
  let failure: Error | undefined;
  child.once("error", (error) => (failure = error));
  const deadline = performance.now() + START_MS;
  for (;;) {
    const port = /Extension host agent listening on (\d+)/.exec(log())?.[1];
    const url = `http://127.0.0.1:${port}/`;
    if (port !== undefined && (await answers(url))) return url;
    if (failure !== undefined || child.exitCode !== null || child.signalCode !== null)
      throw new Error(`VS Code's server ended at once: ${failure?.message ?? ""}\n${log()}`);
    if (performance.now() > deadline) throw new Error(`VS Code's server did not answer in ${START_MS} ms:\n${log()}`);
    await delay(50);
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

async function ended(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  await once(child, "exit");
}

function installExtension(vsix: string, home: string, extensions: string, env: NodeJS.ProcessEnv): void {
  const words = ["--server-data-dir", home, "--extensions-dir", extensions, "--install-extension", resolve(vsix)];
  const { status, stdout, stderr } = spawnSync(HOST.node, [HOST.server, ...words], { env, encoding: "utf8" });
  if (status !== 0 || !/successfully installed/.test(stdout))
    throw new Error(`VS Code did not install ${vsix}:\n${stdout}${stderr}`);
}
