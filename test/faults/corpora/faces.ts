import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { EXIT_CODES } from "../../../cli/exit-codes.ts";
import { optionFor, propertiesOf } from "../../../cli/flags.ts";
import { operations } from "../../../shared/index.ts";
import { connect, errorOf } from "../../mcp-server/agent.ts";
import { ask as askService, startService } from "../../mcp-server/service-server.ts";
import { cliEnvironment } from "../../support/cli.ts";
import { makePlace } from "../../support/place.ts";

/** What a face of the product said. */
export interface Said {
  /** Code of the error; `undefined`: it did as it was asked. */
  readonly refused: string | undefined;
  /** All that is there to be read by a person or a model, as it came. */
  readonly printed: string;
  /** The answer as data; `undefined` where it was asked for as text. */
  readonly data: unknown;
}

/** How the command line is to print, and whether it is to do at once what it plans. */
export interface Manner {
  readonly format?: "table" | "json" | "csv" | "html";
  readonly apply?: boolean;
}

/** A face of the product that runs, over a configuration and a state of its own. */
export interface Face {
  readonly name: (typeof FACES)[number];
  readonly state: string;
  /** Asks for an operation. A manner is for the command line only. */
  ask(operation: string, input: Record<string, unknown>, manner?: Manner): Promise<Said>;
  close(): Promise<unknown>;
}

/** The faces that take paths and archives. */
export const FACES = ["command line", "MCP", "HTTP"] as const;

/** Starts a face; a command line works in `directory`. Those that serve are confined to what is configured. */
export function startFace(
  name: Face["name"],
  config: Readonly<Record<string, unknown>>,
  directory: string,
): Promise<Face> {
  switch (name) {
    case "command line":
      return Promise.resolve(commandLine(config, directory));
    case "MCP":
      return mcp(config);
    case "HTTP":
      return http(config);
  }
}

const BUILT = fileURLToPath(new URL("../../../cli/dist/cache-ops.js", import.meta.url));

/** Every question is a process of its own, of the program as it is built. */
function commandLine(config: Readonly<Record<string, unknown>>, directory: string): Face {
  const state = makePlace("state");
  const env = cliEnvironment(state, configured(config));
  return {
    name: "command line",
    state,
    ask: (operation, input, { format = "json", apply = false } = {}) =>
      new Promise((resolve, reject) => {
        const words = [
          BUILT,
          ...wordsOf(operation, input, [`--format=${format}`, ...(apply ? ["--apply", "--yes"] : [])]),
        ];
        const options = { env, cwd: directory, maxBuffer: 1 << 28, encoding: "utf8" } as const;
        const child = execFile(execPath, words, options, (error, stdout, stderr) => {
          const code = error === null ? 0 : error.code;
          if (typeof code !== "number" || code === 70) {
            reject(new Error(`${operation} ended with ${code ?? error?.signal}: ${stderr.slice(0, 500)}`));
            return;
          }
          const data: unknown = format === "json" ? JSON.parse(stdout) : undefined;
          const isResult = [0, EXIT_CODES.stale, EXIT_CODES.partial].includes(code);
          const refused = hasError(data) ? data.error.code : isResult ? undefined : `exit code ${code}`;
          resolve({ refused, printed: `${stdout}${stderr}`, data });
        });
        child.stdin?.end();
      }),
    close: () => Promise.resolve(),
  };
}

/** The words that ask for an operation; what begins with a dash is no flag. */
function wordsOf(name: string, input: Record<string, unknown>, more: readonly string[]): string[] {
  const operation = operations.find((each) => each.name === name);
  if (operation === undefined) throw new Error(`no operation ${name}`);
  const { flags, positional } = propertiesOf(operation);
  const listOf = (value: unknown) => (Array.isArray(value) ? value : value === undefined ? [] : [value]).map(String);
  const words = flags.flatMap(([flag, schema]) => {
    const { long } = optionFor(flag, schema);
    return input[flag] === true ? [`${long}`] : listOf(input[flag]).map((value) => `${long}=${value}`);
  });
  return [name, ...words, ...more, "--", ...(positional === undefined ? [] : listOf(input[positional.name]))];
}

async function mcp(config: Readonly<Record<string, unknown>>): Promise<Face> {
  const state = makePlace("state");
  const tools = ["default", "managed", "backup", "restore"].join(",");
  const agent = await connect("2025", ["--tools", tools], state, undefined, configured(config));
  return {
    name: "MCP",
    state,
    async ask(operation, input) {
      const result = await agent.call(operation, input);
      const printed = result.content.map(({ text = "", uri = "" }) => `${text}${uri}`).join("\n");
      if (result.isError !== true) return { refused: undefined, printed, data: result.structuredContent };
      // What does not fit the schema of a tool may be refused by the SDK, in its own words.
      const isOurs = result.content[0]?.text?.startsWith("{") === true;
      const refused = isOurs ? errorOf(result)["code"] : "invalid_input";
      return { refused, printed, data: undefined };
    },
    close: () => agent.close(),
  };
}

async function http(config: Readonly<Record<string, unknown>>): Promise<Face> {
  const service = await startService({ config });
  return {
    name: "HTTP",
    state: service.state,
    async ask(operation, input) {
      for (;;) {
        const { status, text, json } = await askService(service, `POST /api/v1/${operation}`, { body: input });
        if (status === 429) {
          await delay(1000);
          continue;
        }
        return { refused: hasError(json) ? json.error.code : undefined, printed: text, data: json };
      }
    },
    close: () => service.stop(),
  };
}

function configured(config: Readonly<Record<string, unknown>>): string {
  const file = join(makePlace("config"), "config.json");
  writeFileSync(file, JSON.stringify(config));
  return file;
}

function hasError(data: unknown): data is { readonly error: { readonly code: string } } {
  const { error } = (data ?? {}) as { readonly error?: { readonly code?: unknown } | null };
  return typeof error?.code === "string";
}
