import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { PROBE, type HostFigures } from "./figures.ts";

/** The probe as a development extension, and a way to talk to it once it runs. */
export interface Probe {
  /** Directory of the extension. */
  readonly extension: string;
  /** What the server's environment must have. */
  readonly env: NodeJS.ProcessEnv;
  /** Waits until the probe runs. */
  started(): Promise<void>;
  /** What the extension host was like since the last time this was asked. */
  figures(): Promise<HostFigures>;
  /** Runs a command in the extension host and waits for it. */
  run(command: string, ...words: readonly unknown[]): Promise<void>;
}

/** Bundles the probe into a directory. */
export async function makeProbe(directory: string): Promise<Probe> {
  const extension = join(directory, "probe");
  const portFile = join(directory, "port");
  mkdirSync(extension);
  await build({
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node22",
    external: ["vscode"],
    logLevel: "warning",
    entryPoints: [fileURLToPath(new URL("probe.ts", import.meta.url))],
    outfile: join(extension, "probe.cjs"),
  });
  const manifest = { name: "probe", publisher: "cache-ops", version: "0.0.0", engines: { vscode: "^1.110.0" } };
  const more = { main: "./probe.cjs", activationEvents: ["*"], extensionKind: ["workspace"] };
  writeFileSync(join(extension, "package.json"), JSON.stringify({ ...manifest, ...more }));
  const ask = async (init?: RequestInit): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${readFileSync(portFile, "utf8")}/`, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`the probe failed: ${text}`);
    return JSON.parse(text);
  };
  return {
    extension,
    env: { [PROBE]: portFile },
    async started() {
      for (const deadline = performance.now() + 60_000; !existsSync(portFile); await delay(100))
        if (performance.now() > deadline) throw new Error("the probe did not start");
    },
    figures: async () => (await ask()) as HostFigures,
    run: async (...words) => void (await ask({ method: "POST", body: JSON.stringify(words) })),
  };
}

/** A process below another one. */
export interface Process {
  readonly pid: number;
  readonly command: string;
  readonly rssBytes: number;
}

/** Every process that descends from this one. */
export function descendantsOf(pid: number): readonly Process[] {
  const byParent = Map.groupBy(listProcesses(), ({ parent }) => parent);
  const below = (parent: number): Process[] =>
    (byParent.get(parent) ?? []).flatMap((child) => [child, ...below(child.pid)]);
  return below(pid);
}

const PAGE_BYTES = 4096;

function listProcesses(): readonly (Process & { readonly parent: number })[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const status = readFileSync(join("/proc", name, "stat"), "utf8");
      const command = readFileSync(join("/proc", name, "cmdline"), "utf8")
        .replaceAll("\0", " ")
        .trim();
      const pages = readFileSync(join("/proc", name, "statm"), "utf8").split(" ")[1];
      // The name in brackets may hold anything.
      const parent = Number(status.slice(status.lastIndexOf(")") + 2).split(" ")[1]);
      return [{ pid: Number(name), parent, command, rssBytes: Number(pages) * PAGE_BYTES }];
    } catch {
      // It ended meanwhile.
      return [];
    }
  });
}
