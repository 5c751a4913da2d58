import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { execPath } from "node:process";
import { createInterface } from "node:readline";

import { StreamableHTTPClientTransport as ModernTransport } from "@modelcontextprotocol/client";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

import { cliEnvironment } from "../support/cli.ts";
import { agentOf, clientOf, type Agent, type Era, type Person } from "./agent.ts";

const BIN = new URL("../../cli/bin/cache-ops.js", import.meta.url).pathname;

/** A running `cache-ops mcp --http`. */
export interface HttpServer {
  readonly url: string;
  readonly token: string;
  readonly tokenFile: string;
  /** Asks the process to end and returns its exit code. */
  stop(): Promise<number | null>;
}

/** Starts `cache-ops mcp --http` on a free port of this machine. It is ended with the test file at the latest. */
export async function startHttp(words: readonly string[], state?: string): Promise<HttpServer> {
  const args = [BIN, "mcp", "--http", "--port", "0", ...words];
  const child = spawn(execPath, args, { env: cliEnvironment(state), stdio: ["ignore", "ignore", "pipe"] });
  running.add(child);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const said: string[] = [];
  for await (const line of createInterface(child.stderr)) {
    said.push(line);
    const [, url, tokenFile] = /^MCP at (\S+), token in (.+)$/.exec(line) ?? [];
    if (url === undefined || tokenFile === undefined) continue;
    child.stderr.resume();
    return {
      url,
      tokenFile,
      token: readFileSync(tokenFile, "utf8").trim(),
      stop: () => {
        child.kill("SIGTERM");
        return ended;
      },
    };
  }
  throw new Error(`the server ended with ${await ended}:\n${said.join("\n")}`);
}

/** Connects an agent to a server that listens. */
export async function connectHttp(era: Era, { url, token }: HttpServer, person?: Person): Promise<Agent> {
  const client = clientOf(era, person);
  const Transport = era === "2025" ? StreamableHTTPClientTransport : ModernTransport;
  const options = { requestInit: { headers: { authorization: `Bearer ${token}` } } };
  await client.connect(new Transport(new URL(url), options));
  return agentOf(client);
}

const running = new Set<ChildProcess>();

after(() => {
  for (const child of running) child.kill("SIGKILL");
});
