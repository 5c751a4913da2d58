import { readFileSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";

import {
  CacheOpsError,
  Configuration,
  openState,
  parse,
  type Context,
  type Progress,
  type State,
} from "@cache-ops/shared";

import envPaths from "env-paths";

/** Where state and configuration lie: `CACHE_OPS_STATE_DIR`, `CACHE_OPS_CONFIG`, else the user's own directories. */
export function placesOf(): { readonly stateDirectory: string; readonly configFile: string } {
  const paths = envPaths("cache-ops", { suffix: "" });
  return {
    stateDirectory: env["CACHE_OPS_STATE_DIR"] ?? paths.data,
    configFile: env["CACHE_OPS_CONFIG"] ?? join(paths.config, "config.json"),
  };
}

/** The context of one command. `close` must be called when it is over. */
export function makeContext(
  signal: AbortSignal,
  progress: (progress: Progress) => void,
): { readonly context: Context; readonly close: () => void } {
  const { stateDirectory, configFile } = placesOf();
  let state: State | undefined;
  const context: Context = {
    now: () => Date.now(),
    signal,
    progress,
    log: () => undefined,
    state: () => (state ??= openState(stateDirectory)),
    configuration: readConfiguration(configFile),
  };
  return { context, close: () => state?.close() };
}

function readConfiguration(file: string): Configuration {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const isDefaultMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (isDefaultMissing && env["CACHE_OPS_CONFIG"] === undefined) return parse(Configuration, {}, "configuration");
    throw new CacheOpsError("invalid_input", `cannot read the configuration ${file}`, {
      hint: "Check the path in CACHE_OPS_CONFIG and the rights of the file.",
      cause: error,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CacheOpsError("invalid_input", `configuration ${file} is not JSON: ${String(error)}`, {
      hint: "Correct the file; it is plain JSON without comments.",
      cause: error,
    });
  }
  return parse(Configuration, value, `configuration ${file}`);
}
