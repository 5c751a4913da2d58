import { availableParallelism } from "node:os";

import type { Context } from "./context.ts";
import { CacheOpsError } from "./errors.ts";
import { printable } from "./printable.ts";
import { parseDuration } from "./units.ts";

/** What ffprobe says of a file, as it says it: `{streams, format}`. */
export interface ProbeData {
  readonly streams: readonly Readonly<Record<string, unknown>>[];
  readonly format: Readonly<Record<string, unknown>>;
}

/** A file looked into by ffprobe, or why that was not possible: a trait of the file, worth remembering until it changes. */
export type ProbeResult =
  | { readonly state: "probed"; readonly data: ProbeData }
  | { readonly state: "failed"; readonly rule: ProbeFailure; readonly message: string };

/** ffprobe said no, took too long, said too much, crashed, or said something that is no description of a file. */
type ProbeFailure = "not_media" | "time_limit" | "output_limit" | "crashed" | "invalid_output";

/** More output than this is a fault. Descriptions of real files have some 10 kB. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
/** How long a process that was told to end may take before it is killed, in milliseconds. */
const KILL_MS = 500;

/** How many files to probe at once. */
export function probeConcurrency({ configuration }: Pick<Context, "configuration">): number {
  return configuration.ffprobe.concurrency || 2 * availableParallelism();
}

/**
 * Has ffprobe look into one file (absolute path), within the configured time.
 *
 * The path is an argument of its own with `file:` in front and no other protocol allowed, so every name is just a
 * name. Throws `unavailable` when ffprobe itself is missing or cannot be started, and an `AbortError` when `signal`
 * is aborted; everything that is wrong with the file is a result.
 */
export async function probeFile(
  path: string,
  { configuration, signal }: Pick<Context, "configuration" | "signal">,
): Promise<ProbeResult> {
  signal.throwIfAborted();
  const { program, timeLimit } = configuration.ffprobe;
  const args = ["-v", "error", "-protocol_whitelist", "file", "-show_format", "-show_streams", "-of", "json"];
  const { execa } = await import("execa");
  const result = await execa(program, [...args, "-i", `file:${path}`], {
    reject: false,
    stdin: "ignore",
    buffer: true,
    stripFinalNewline: false,
    timeout: parseDuration(timeLimit) * 1000,
    killSignal: "SIGTERM",
    forceKillAfterDelay: KILL_MS,
    maxBuffer: MAX_OUTPUT_BYTES,
    cancelSignal: signal,
    windowsHide: true,
  });
  if (result.isCanceled) signal.throwIfAborted();
  if (!result.failed) return read(result.stdout);
  if (result.timedOut) return failed("time_limit", `ffprobe did not answer within ${timeLimit}`);
  if (result.isMaxBuffer) return failed("output_limit", `ffprobe said more than ${MAX_OUTPUT_BYTES} bytes`);
  if (result.exitCode !== undefined)
    return failed("not_media", lastLine(result.stderr, path) || `exit code ${result.exitCode}`);
  if (result.signal !== undefined) return failed("crashed", `ffprobe was ended by ${result.signal}`);
  throw new CacheOpsError("unavailable", `${program} cannot be started (${result.code ?? "unknown error"})`, {
    hint: "Install ffmpeg (Debian: apt install ffmpeg; macOS: brew install ffmpeg), or set ffprobe.program to its path.",
    cause: result,
  });
}

function failed(rule: ProbeFailure, message: string): ProbeResult {
  return { state: "failed", rule, message: printable(message).slice(0, 300) };
}

function read(text: string): ProbeResult {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return failed("invalid_output", `ffprobe's answer is not JSON: ${error.message}`);
  }
  if (isProbeData(value)) return { state: "probed", data: value };
  return failed("invalid_output", "ffprobe's answer describes no file");
}

/** Whether a value has the shape of ffprobe's answer. */
export function isProbeData(value: unknown): value is ProbeData {
  if (!isRecord(value)) return false;
  const { streams, format } = value;
  return Array.isArray(streams) && streams.every(isRecord) && isRecord(format);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What ffprobe complained about last, without the path, which names may have line breaks in. */
function lastLine(text: string, path: string): string {
  return text.replaceAll(`file:${path}: `, "").trim().split("\n").at(-1) ?? "";
}
