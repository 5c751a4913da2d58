import { renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { monitorEventLoopDelay } from "node:perf_hooks";
import process, { env } from "node:process";

import * as vscode from "vscode";

import { PROBE, RESOLUTION_MS, spreadOf, type HostFigures } from "./figures.ts";

/** How often the host is asked for something, in milliseconds. */
const ASK_MS = 50;

/**
 * An extension of its own beside Cache Ops, in the same extension host: feels what every other extension would. `GET /`
 * gives the figures since the last time; `POST /` runs a command, given as a list, and answers when it is done.
 */
export function activate({ subscriptions }: vscode.ExtensionContext): void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const [commands, stats]: [number[], number[]] = [[], []];
  const file = vscode.Uri.file(process.execPath);
  const asking = setInterval(() => {
    void time(commands, vscode.commands.executeCommand("setContext", "cacheOpsProbe.asked", true));
    void time(stats, vscode.workspace.fs.stat(file));
  }, ASK_MS);
  const figures = (): HostFigures => {
    const ms = (nanoseconds: number) => nanoseconds / 1e6;
    const loop = {
      count: delay.count,
      p50: ms(delay.percentile(50)),
      p99: ms(delay.percentile(99)),
      max: ms(delay.max),
    };
    delay.reset();
    return {
      pid: process.pid,
      rssBytes: process.memoryUsage().rss,
      loop,
      command: spreadOf(commands.splice(0)),
      stat: spreadOf(stats.splice(0)),
    };
  };
  const server = createServer((request, response) => {
    const answer = async () => {
      if (request.method !== "POST") return figures();
      const [name, ...words] = JSON.parse(Buffer.concat(await request.toArray()).toString("utf8")) as [string];
      await vscode.commands.executeCommand(name, ...words);
      return null;
    };
    answer().then(
      (result) => response.end(JSON.stringify(result)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  server.requestTimeout = 0;
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    const path = env[PROBE];
    if (path === undefined || address === null || typeof address === "string") return;
    writeFileSync(`${path}.part`, String(address.port));
    renameSync(`${path}.part`, path);
  });
  subscriptions.push({ dispose: () => clearInterval(asking) }, { dispose: () => server.close() });
}

async function time(into: number[], work: Thenable<unknown>): Promise<void> {
  const start = performance.now();
  await work;
  into.push(performance.now() - start);
}
