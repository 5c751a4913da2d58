import { resolve } from "node:path";

import { allOperations, CacheOpsError, operationNamed, type Operation } from "@cache-ops/shared/start";

import { Argument, Command, CommanderError, Option } from "commander";

import { execute, type Request } from "./execute.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { optionFor, propertiesOf } from "./flags.ts";
import { FORMATS, printError, type Format } from "./output.ts";

export { end } from "./end.ts";

/** Runs one command line of this version of the program and returns its exit code. */
export async function runProgram(words: readonly string[], version: string): Promise<number> {
  let code = 0;
  const wantsJson = words.includes("--json") || words.join(" ").includes("--format json");
  const program = new Command("cache-ops")
    .description(
      "Finds stale caches of media tools, shows what it would do and why, does exactly that, and can undo it.",
    )
    .version(version)
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
  const run = async (request: Request) => {
    code = await execute(request);
  };
  for (const command of await commandsFor(words[0], run, version)) program.addCommand(command);
  try {
    await program.parseAsync([...words], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      const isBare = error.code === "commander.help";
      const message = isBare ? "no command was given" : error.message.replace(/^error: /, "");
      const hint = isBare ? "See the commands above." : "`cache-ops --help` lists commands and options.";
      return printError(new CacheOpsError("invalid_input", message, { hint }), wantsJson);
    }
    return printError(error, wantsJson);
  }
}

/** A command that is named stands alone: making all of them takes longer than many a command. */
async function commandsFor(word: string | undefined, run: Run, version: string): Promise<Command[]> {
  if (word === "mcp") return [(await import("./mcp.ts")).mcpCommand(version)];
  if (word === "serve") return [(await import("./serve.ts")).serveCommand(version)];
  const named = word === undefined ? undefined : await operationNamed(word);
  if (named !== undefined) return [commandFor(named, run)];
  const servers = [...(await commandsFor("mcp", run, version)), ...(await commandsFor("serve", run, version))];
  return [...(await allOperations()).map((operation) => commandFor(operation, run)), ...servers];
}

type Run = (request: Request) => Promise<void>;

function commandFor(operation: Operation, run: Run): Command {
  const { flags, positional } = propertiesOf(operation);
  const command = new Command(operation.name)
    .description(operation.description)
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
  if (positional) {
    const dots = positional.type === "array" ? "..." : "";
    const word = `${positional.name}${dots}`;
    command.addArgument(new Argument(positional.required ? `<${word}>` : `[${word}]`, positional.description));
  }
  for (const [name, schema] of flags) command.addOption(optionFor(name, schema));
  const plans = "digest" in operation.output.properties;
  if (plans) {
    command.option("--apply", "apply the plan at once");
    command.option("--review", "choose in the terminal which changes to take");
  }
  if (plans || operation.effect === "destroy") command.option("--yes", "do not ask before applying");
  if (!("dryRun" in operation.input.properties)) command.option("--dry-run", "only show what would be done");
  command.option("--json", "print one JSON object");
  command.addOption(new Option("--format <format>", "how to print the result").choices(FORMATS).default("table"));
  command.option("--output <file>", "write the result to a file instead");
  command.addHelpText("after", exitHelp);
  command.action(async (...args: unknown[]) => {
    const given = command.opts<Record<string, unknown>>();
    const input: Record<string, unknown> = {};
    for (const [name] of flags) if (given[name] !== undefined) input[name] = given[name];
    if (positional && args[0] !== undefined && !(Array.isArray(args[0]) && args[0].length === 0)) {
      input[positional.name] = args[0];
    }
    await run({
      operation,
      input,
      format: given["json"] === true ? "json" : (given["format"] as Format),
      outputFile: typeof given["output"] === "string" ? resolve(given["output"]) : undefined,
      apply: given["apply"] === true,
      review: given["review"] === true,
      yes: given["yes"] === true,
      dryRun: given["dryRun"] === true,
    });
  });
  return command;
}

const exitHelp = `
Exit codes:
${Object.entries(EXIT_CODES)
  .map(([outcome, code]) => `  ${String(code).padStart(3)}  ${outcome}`)
  .join("\n")}`;
