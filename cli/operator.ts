import { basename, join, resolve } from "node:path";

import { CacheOpsError, type Configuration, type Context } from "@cache-ops/shared/start";

import { Command } from "commander";

import { placesOf } from "./places.ts";

/** What the operator may say when starting a server: the bounds of whoever uses it. */
export interface BoundFlags {
  readonly root?: string[];
  readonly readOnly?: boolean;
  readonly confirm?: boolean;
  readonly maxEntries?: string;
  readonly maxBytes?: string;
  readonly maxTokens?: string;
}

/** Where a server listens, and whom it lets in. */
export interface AddressFlags {
  readonly host: string;
  readonly port: string;
  readonly allowHost?: string[];
  readonly tokenFile?: string;
}

/** A command of its own, not of the registry, whose errors are printed as all others are. */
export function serverCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
}

/** Adds the options of {@link BoundFlags}. */
export function withBounds(command: Command): Command {
  return command
    .option("--root <directory...>", "look after these directories instead of the configured libraries")
    .option("--read-only", "offer nothing that changes a cache")
    .option("--confirm", "a person has to say yes in the client before anything changes")
    .option("--max-entries <number>", "most entries one applied plan may change")
    .option("--max-bytes <number>", "most bytes one applied plan may free")
    .option("--max-tokens <number>", "most tokens one result may take (default: 6000)");
}

/** Adds the options of {@link AddressFlags}. */
export function withAddress(command: Command): Command {
  return command
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <number>", "port to listen on; 0: any", "7777")
    .option("--allow-host <name...>", "further host names requests may be addressed to")
    .option("--token-file <file>", "file with the bearer token (default: mcp-token in the state directory)");
}

/** The file with the bearer token: where the operator says, else in the state directory. */
export function tokenFileOf({ tokenFile }: Pick<AddressFlags, "tokenFile">): string {
  return resolve(tokenFile ?? join(placesOf().stateDirectory, "mcp-token"));
}

/** The context of whoever uses the server: confined to the libraries and bounds that the operator set. */
export function boundedContext(flags: BoundFlags, context: Context): Context {
  const bounds = { confined: true, maxEntries: numberOf(flags.maxEntries), maxBytes: numberOf(flags.maxBytes) };
  return { ...context, bounds, configuration: configurationFor(flags.root, context.configuration) };
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

/** A whole number given as a flag. Throws `invalid_input`. */
export function numberOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new CacheOpsError("invalid_input", `"${text}" is not a number`, { hint: "Give a whole number." });
}
