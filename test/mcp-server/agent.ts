import { execPath } from "node:process";

import { Client as ModernClient } from "@modelcontextprotocol/client";
import { StdioClientTransport as ModernTransport } from "@modelcontextprotocol/client/stdio";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

import { cliEnvironment } from "../support/cli.ts";

const BIN = new URL("../../cli/bin/cache-ops.js", import.meta.url).pathname;

/** What a tool answered. */
export interface Result {
  readonly structuredContent?: Record<string, unknown>;
  readonly content: { readonly type: string; readonly text?: string; readonly uri?: string }[];
  readonly isError?: boolean;
}

/** An agent's end of a connection, whatever the revision of the protocol. */
export interface Agent {
  call(name: string, args?: Record<string, unknown>): Promise<Result>;
  readonly client: Client;
  close(): Promise<void>;
}

/** Eras of the protocol: the revisions of 2025 through the SDK that hosts embed, and that of 2026-07-28. */
export const ERAS = ["2025", "2026"] as const;
export type Era = (typeof ERAS)[number];

/** Starts `cache-ops mcp` with these words and connects to it over standard input and output. */
export async function connect(era: Era, words: readonly string[], state?: string): Promise<Agent> {
  const env = Object.fromEntries(
    Object.entries(cliEnvironment(state)).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  const command = { command: execPath, args: [BIN, "mcp", ...words], env };
  if (era === "2025") {
    const client = new Client({ name: "test", version: "1" });
    await client.connect(new StdioClientTransport(command));
    return agentOf(client);
  }
  const client = new ModernClient(
    { name: "test", version: "1" },
    { versionNegotiation: { mode: { pin: "2026-07-28" } } },
  );
  await client.connect(new ModernTransport(command));
  return agentOf(client as unknown as Client);
}

function agentOf(client: Client): Agent {
  return {
    client,
    call: async (name, args = {}) => (await client.callTool({ name, arguments: args })) as Result,
    close: () => client.close(),
  };
}

/** The error in an answer: code, message, hint and what to do next. */
export function errorOf({ isError, content }: Result): Record<string, string> {
  if (isError !== true) throw new Error(`not an error: ${JSON.stringify(content)}`);
  return JSON.parse(content[0]?.text ?? "null") as Record<string, string>;
}
