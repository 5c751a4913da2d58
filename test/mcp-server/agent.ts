import { execPath } from "node:process";

import { Client as ModernClient } from "@modelcontextprotocol/client";
import { StdioClientTransport as ModernTransport } from "@modelcontextprotocol/client/stdio";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

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
  /** Calls a tool, until the signal says that its answer is no longer wanted. */
  call(name: string, args?: Record<string, unknown>, signal?: AbortSignal): Promise<Result>;
  readonly client: Client;
  close(): Promise<void>;
}

/** Eras of the protocol: the revisions of 2025 through the SDK that hosts embed, and that of 2026-07-28. */
export const ERAS = ["2025", "2026"] as const;
export type Era = (typeof ERAS)[number];

/** What a person answers when they are asked, given the question. */
export type Person = (question: string) => {
  readonly action: "accept" | "decline" | "cancel";
  readonly content?: Record<string, boolean>;
};

/**
 * Starts `cache-ops mcp` with these words and connects to it over standard input and output. Without a configuration
 * file that is named, all defaults hold.
 */
export async function connect(
  era: Era,
  words: readonly string[],
  state?: string,
  person?: Person,
  config?: string,
  secrets: Readonly<Record<string, string>> = {},
): Promise<Agent> {
  const env = Object.fromEntries(
    Object.entries({ ...cliEnvironment(state, config), ...secrets }).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value]],
    ),
  );
  const command = { command: execPath, args: [BIN, "mcp", ...words], env };
  const client = clientOf(era, person);
  await client.connect(era === "2025" ? new StdioClientTransport(command) : new ModernTransport(command));
  return agentOf(client);
}

/** A client of an era. Only with a person does it say that it can ask one. */
export function clientOf(era: Era, person?: Person): Client {
  const name = { name: "test", version: "1" };
  const capabilities = person === undefined ? {} : { elicitation: {} };
  if (era === "2025") {
    const client = new Client(name, { capabilities });
    if (person !== undefined) client.setRequestHandler(ElicitRequestSchema, ({ params }) => person(params.message));
    return client;
  }
  const client = new ModernClient(name, { capabilities, versionNegotiation: { mode: { pin: "2026-07-28" } } });
  if (person !== undefined) client.setRequestHandler("elicitation/create", ({ params }) => person(params.message));
  return client as unknown as Client;
}

/** An agent that works through a connected client. */
export function agentOf(client: Client): Agent {
  const either: unknown = client;
  return {
    client,
    call: async (name, args = {}, signal = new AbortController().signal) => {
      const params = { name, arguments: args };
      // The clients of the two eras take their options in different places.
      const answer =
        either instanceof ModernClient
          ? either.callTool(params, { signal })
          : client.callTool(params, undefined, { signal });
      return (await answer) as Result;
    },
    close: () => client.close(),
  };
}

/** The error in an answer: code, message, hint and what to do next. */
export function errorOf({ isError, content }: Result): Record<string, string> {
  if (isError !== true) throw new Error(`not an error: ${JSON.stringify(content)}`);
  return JSON.parse(content[0]?.text ?? "null") as Record<string, string>;
}
