import { once } from "node:events";
import { stderr, stdin } from "node:process";

import { CacheOpsError } from "@cache-ops/shared/start";

import type { Command } from "commander";

import { makeContext } from "./environment.ts";
import {
  boundedContext,
  numberOf,
  serverCommand,
  tokenFileOf,
  withAddress,
  withBounds,
  type AddressFlags,
  type BoundFlags,
} from "./operator.ts";

/** What the operator may say when starting the server. */
interface McpFlags extends BoundFlags, AddressFlags {
  readonly tools?: string;
  readonly http?: boolean;
}

/** The command `mcp`: serves agents within the bounds the operator sets here. */
export function mcpCommand(version: string): Command {
  const command = serverCommand(
    "mcp",
    "Serves AI agents (Model Context Protocol) over standard input and output, or over HTTP.",
  );
  return withAddress(
    withBounds(command)
      .option(
        "--tools <names>",
        "offer only these tools, separated by commas; default, managed, engines and jellyfin stand for several",
      )
      .option("--http", "serve Streamable HTTP at /mcp instead of standard input and output"),
  ).action((flags: McpFlags) => runMcp(version, flags));
}

async function runMcp(version: string, flags: McpFlags): Promise<void> {
  const { context, close } = await makeContext(new AbortController().signal, () => undefined);
  const tools = flags.tools?.split(",").map((name) => name.trim());
  const bounded = boundedContext(flags, context);
  const maxTokens = numberOf(flags.maxTokens);
  const { greet } = await import("@cache-ops/mcp-server/greeting");
  const greeting = flags.http === true || tools !== undefined ? undefined : await greet(version);
  const { buildServer, DEFAULT_MAX_TOKENS, makeDesk, serveHttp, serveMcp, tokenFrom, toolWords } =
    await import("@cache-ops/mcp-server");
  const unknown = tools?.filter((name) => !toolWords.includes(name)) ?? [];
  if (unknown.length > 0) {
    throw new CacheOpsError("invalid_input", `there is no tool ${unknown.join(", ")}`, {
      hint: `Tools: ${toolWords.join(", ")}.`,
    });
  }
  const settings = {
    version,
    contextFor: (signal: AbortSignal) => ({ ...bounded, signal }),
    readOnly: flags.readOnly === true,
    tools,
    confirm: flags.confirm === true,
    maxTokens: maxTokens ?? DEFAULT_MAX_TOKENS,
  };
  try {
    if (flags.http !== true) {
      serveMcp(settings, greeting);
      if (!stdin.closed) await once(stdin, "close");
      return;
    }
    // Before anybody can know that the server listens, so that it always ends as it should.
    const told = Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
    const desk = makeDesk();
    const tokenFile = tokenFileOf(flags);
    context.state();
    const server = await serveHttp(() => buildServer(settings, desk), {
      host: flags.host,
      port: numberOf(flags.port) ?? 0,
      token: tokenFrom(tokenFile),
      allowedHosts: flags.allowHost ?? [],
      requestsPerMinute: 600,
    });
    stderr.write(`MCP at ${server.url}, token in ${tokenFile}\n`);
    await told;
    await server.close();
  } finally {
    close();
  }
}
