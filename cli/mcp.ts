import { once } from "node:events";
import { basename, join, resolve } from "node:path";
import { stderr, stdin } from "node:process";

import { CacheOpsError, type Configuration, type Context } from "@cache-ops/shared";

import { Command } from "commander";

import { makeContext, placesOf } from "./environment.ts";

/** What the operator may say when starting the server. */
interface McpFlags {
  readonly root?: string[];
  readonly readOnly?: boolean;
  readonly tools?: string;
  readonly confirm?: boolean;
  readonly maxEntries?: string;
  readonly maxBytes?: string;
  readonly maxTokens?: string;
  readonly http?: boolean;
  readonly host: string;
  readonly port: string;
  readonly allowHost?: string[];
  readonly tokenFile?: string;
}

/** The command `mcp`: serves agents within the bounds the operator sets here. */
export function mcpCommand(version: string): Command {
  return new Command("mcp")
    .description("Serves AI agents (Model Context Protocol) over standard input and output, or over HTTP.")
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .option("--root <directory...>", "look after these directories instead of the configured libraries")
    .option("--read-only", "offer no tool that changes a cache")
    .option("--tools <names>", "offer only these tools, separated by commas")
    .option("--confirm", "a person has to say yes in the client before anything changes")
    .option("--max-entries <number>", "most entries one applied plan may change")
    .option("--max-bytes <number>", "most bytes one applied plan may free")
    .option("--max-tokens <number>", "most tokens one result may take (default: 6000)")
    .option("--http", "serve Streamable HTTP at /mcp instead of standard input and output")
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <number>", "port to listen on; 0: any", "7777")
    .option("--allow-host <name...>", "further host names requests may be addressed to")
    .option("--token-file <file>", "file with the bearer token (default: mcp-token in the state directory)")
    .action((flags: McpFlags) => runMcp(version, flags));
}

async function runMcp(version: string, flags: McpFlags): Promise<void> {
  const { buildServer, DEFAULT_MAX_TOKENS, makeDesk, serveHttp, serveMcp, tokenFrom, toolNames } =
    await import("@cache-ops/mcp-server");
  const { context, close } = makeContext(new AbortController().signal, () => undefined);
  const tools = flags.tools?.split(",").map((name) => name.trim());
  const unknown = tools?.filter((name) => !toolNames.includes(name)) ?? [];
  if (unknown.length > 0) {
    throw new CacheOpsError("invalid_input", `there is no tool ${unknown.join(", ")}`, {
      hint: `Tools: ${toolNames.join(", ")}.`,
    });
  }
  const bounds = { confined: true, maxEntries: numberOf(flags.maxEntries), maxBytes: numberOf(flags.maxBytes) };
  const bounded: Context = { ...context, bounds, configuration: configurationFor(flags.root, context.configuration) };
  const settings = {
    version,
    contextFor: (signal: AbortSignal) => ({ ...bounded, signal }),
    readOnly: flags.readOnly === true,
    tools,
    confirm: flags.confirm === true,
    maxTokens: numberOf(flags.maxTokens) ?? DEFAULT_MAX_TOKENS,
  };
  try {
    if (flags.http !== true) {
      serveMcp(settings);
      await once(stdin, "close");
      return;
    }
    // Before anybody can know that the server listens, so that it always ends as it should.
    const told = Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
    const desk = makeDesk();
    const tokenFile = resolve(flags.tokenFile ?? join(placesOf().stateDirectory, "mcp-token"));
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

/** With `--root`, exactly these directories are the libraries, called by their own names. */
function configurationFor(roots: readonly string[] | undefined, configuration: Configuration): Configuration {
  if (roots === undefined) return configuration;
  const names = new Set<string>();
  const libraries = roots.map((root) => {
    const base =
      basename(resolve(root))
        .replace(/[^A-Za-z0-9_-]+/g, "-")
        .replace(/^[^A-Za-z0-9]+/, "")
        .slice(0, 60) || "library";
    let name = base;
    for (let number = 2; names.has(name); number += 1) name = `${base}-${number}`;
    names.add(name);
    return { name, roots: [resolve(root)] };
  });
  return { ...configuration, libraries };
}

function numberOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new CacheOpsError("invalid_input", `"${text}" is not a number`, { hint: "Give a whole number." });
}
