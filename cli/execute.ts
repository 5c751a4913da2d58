import { resolve } from "node:path";
import { cwd, stderr, stdin, stdout } from "node:process";

import {
  CacheOpsError,
  Detail,
  invoke,
  operationNamed,
  printable,
  type Context,
  type Operation,
} from "@cache-ops/shared/start";

import { makeContext } from "./environment.ts";
import { end } from "./end.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { print, printError, type Format } from "./output.ts";
import { chooseChanges } from "./review.ts";
import { confirm, makeProgress } from "./terminal.ts";

/** A command as it was typed. */
export interface Request {
  readonly operation: Operation;
  readonly input: Readonly<Record<string, unknown>>;
  readonly format: Format;
  readonly outputFile: string | undefined;
  readonly apply: boolean;
  readonly review: boolean;
  readonly yes: boolean;
  readonly dryRun: boolean;
}

/** Runs a command, prints its result and returns its exit code. Ctrl-C stops at the next safe point, a second one at once. */
export async function execute(request: Request): Promise<number> {
  const stop = new AbortController();
  const onSignal = () => {
    // Whatever it is that hangs.
    if (stop.signal.aborted) end(EXIT_CODES.interrupted, true);
    stop.abort();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal);
  const progress = await makeProgress();
  let opened: Awaited<ReturnType<typeof makeContext>> | undefined;
  try {
    opened = await makeContext(stop.signal, progress.report);
    const input = withAbsolutePaths(request, opened.context);
    return await carryOut({ ...request, input }, opened.context, progress.stop);
  } catch (error) {
    progress.stop();
    const shown = isInterruption(error) ? new CacheOpsError("interrupted", "stopped on request") : error;
    return printError(shown, request.format === "json");
  } finally {
    progress.stop();
    // What was only noted can stay in the store's log: to bring it home takes longer than many a command.
    if (request.operation.effect !== "read" || request.apply) opened?.close();
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, onSignal);
  }
}

/** Where files and directories are given relative to the current directory: only the command line knows it. */
const PATH_PROPERTIES = new Set(["paths", "media", "converted", "archive", "to"]);

/** The input with every path made absolute. Names of configured libraries and caches stay as they are. */
function withAbsolutePaths({ operation, input }: Request, { configuration }: Context): Request["input"] {
  // Directories of a managed cache are named from its root, wherever the caller is.
  if ("cache" in operation.input.properties) return input;
  const { libraries, managed } = configuration;
  const names = new Set([...libraries, ...managed].map(({ name }) => name));
  // A bare name of an archive lies among the backups.
  const isName = (property: string, word: string) => (property === "archive" ? !/[/\\]/.test(word) : names.has(word));
  const absolute = (property: string, word: unknown) =>
    typeof word !== "string" || isName(property, word) ? word : resolve(cwd(), word);
  return Object.fromEntries(
    Object.entries(input).map(([name, value]) => {
      if (!PATH_PROPERTIES.has(name)) return [name, value];
      return [name, Array.isArray(value) ? value.map((word) => absolute(name, word)) : absolute(name, value)];
    }),
  );
}

/** Work that was stopped by a signal, and questions that were left with Ctrl-C or Ctrl-D. */
function isInterruption(error: unknown): boolean {
  return error instanceof Error && ["AbortError", "ExitPromptError"].includes(error.name);
}

async function carryOut(request: Request, context: Context, stopProgress: () => void): Promise<number> {
  const { operation, input, outputs } = await dryRunOf(request);
  const show = async (shown: Operation, output: Record<string, unknown>) => {
    stopProgress();
    await print(output, shown.view(output), outputs);
    return EXIT_CODES[shown.outcome(output)];
  };
  const output = await run(operation, input, request, context);
  const isPlan = typeof output["plan"] === "string" && typeof output["digest"] === "string";
  if (!isPlan || request.dryRun || (!request.apply && !request.review)) return show(operation, output);
  if (output["status"] === "blocked") return show(operation, output);
  const plan = request.review ? await review(operation, output, request, context, stopProgress) : output;
  if (plan === undefined || plan["status"] === "blocked") return show(operation, plan ?? output);
  if (!request.yes && plan["status"] === "ready") {
    stopProgress();
    assertCanAsk();
    await print(plan, operation.view(plan), { format: "table", outputFile: undefined });
    if (!(await confirm("Apply this plan?"))) return 0;
  }
  const apply = await named("apply");
  const report = await run(apply, { plan: plan["plan"], digest: plan["digest"] }, request, context);
  const code = await show(apply, report);
  const troubles = plan["errors"] as readonly { readonly path: string; readonly message: string }[];
  // A report is about what was planned: what could not be would be said nowhere.
  for (const { path, message } of troubles) stderr.write(`cache-ops: ${printable(path)}: ${printable(message)}\n`);
  return code === 0 && plan["status"] === "empty" && troubles.length > 0 ? EXIT_CODES.partial : code;
}

/** What a dry run of a changing command shows instead: the plan it would apply, the run it would take back. */
async function dryRunOf(request: Request) {
  const { operation, input } = request;
  const outputs = { format: request.format, outputFile: request.outputFile };
  if (!request.dryRun || "dryRun" in operation.input.properties) return { operation, input, outputs };
  if (operation.name === "apply") return { operation: await named("cleanup"), input: { from: input["plan"] }, outputs };
  if (operation.name === "undo") return { operation: await named("history"), input: { run: input["run"] }, outputs };
  if (operation.effect !== "read") {
    throw new CacheOpsError("invalid_input", `${operation.name} has no dry run`, {
      hint: "It does what its help says. What it changes in caches undo takes back.",
    });
  }
  return { operation, input, outputs };
}

/** Runs an operation; for anything but JSON with every single change, because a reader is to see them. */
async function run(operation: Operation, input: Readonly<Record<string, unknown>>, request: Request, context: Context) {
  const wantsAll = request.format !== "json" || request.review;
  const detailed = operation.input.properties["detail"] === Detail && input["detail"] === undefined && wantsAll;
  return (await invoke(operation, detailed ? { ...input, detail: "full" } : { ...input }, context)) as Record<
    string,
    unknown
  >;
}

async function review(
  operation: Operation,
  output: Record<string, unknown>,
  request: Request,
  context: Context,
  stopProgress: () => void,
): Promise<Record<string, unknown> | undefined> {
  stopProgress();
  assertCanAsk();
  const only = await chooseChanges(output["changes"]);
  if (only.length === 0) return undefined;
  const narrowing = "from" in operation.input.properties ? operation : await named("cleanup");
  return run(narrowing, { from: output["plan"], only }, request, context);
}

function assertCanAsk(): void {
  if (stdin.isTTY && stdout.isTTY) return;
  throw new CacheOpsError("invalid_input", "nobody can be asked: this is not a terminal", {
    hint: "Add --yes to apply without a question, or leave --apply out and apply the plan by its id.",
  });
}

async function named(name: string): Promise<Operation> {
  const operation = await operationNamed(name);
  if (operation === undefined) throw new Error(`there is no operation ${name}`);
  return operation;
}
