import { execFileSync } from "node:child_process";
import { openSync, readSync, writeFileSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { env } from "node:process";

import { makePlace } from "../support/place.ts";

/*
 * The steering of fault.c: faults at single system calls of the process that it is loaded into. Of strace (traced.ts) it
 * differs in that one process can go through many cases.
 */

const SOURCE = new URL("fault.c", import.meta.url).pathname;

/** Compiles the library to be loaded and returns the environment in which a process can be faulted. */
export function faultEnvironment(clockShiftSeconds = 0): NodeJS.ProcessEnv {
  const place = makePlace("fault");
  library ??= compile();
  const control = join(place, "control");
  writeFileSync(control, Buffer.alloc(SIZE));
  return {
    ...env,
    LD_PRELOAD: library,
    FAULT_CONTROL: control,
    UV_THREADPOOL_SIZE: "1",
    // What is started thousands of times is compiled once.
    NODE_COMPILE_CACHE: join(library, "..", "compiled"),
    ...(clockShiftSeconds === 0 ? {} : { FAULT_CLOCK: String(clockShiftSeconds) }),
  };
}

let library: string | undefined;

function compile(): string {
  const file = join(makePlace("fault"), "fault.so");
  execFileSync("cc", ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", file, SOURCE, "-ldl"]);
  return file;
}

/** Which calls count: those that may change what a disk holds, those that ask it, those that reach a server. */
export type Kind = "writes" | "reads" | "connects";

/** What happens at a call. `lasts`: at all that follow, too. */
export type Fault =
  | { readonly does: "count" }
  | { readonly does: "kill"; readonly nth: number }
  | { readonly does: "fail"; readonly nth: number; readonly errno: string; readonly lasts?: boolean }
  | { readonly does: "shorten"; readonly nth: number; readonly bytes: number; readonly lasts?: boolean };

/** What came of it. */
export interface Hit {
  /** How many calls there were. */
  readonly calls: number;
  readonly hits: number;
  /** The first call that was hit. */
  readonly shown: string;
}

const MODES = { off: 0, count: 1, fail: 2, kill: 3, shorten: 4 } as const;
const KINDS: Readonly<Record<Kind, number>> = { writes: 1, reads: 2, connects: 4 };
const PLACES_AT = 32;
const PLACE = 248;
const CALL_AT = PLACES_AT + 4 * PLACE;
const SHOWN_AT = CALL_AT + 32;
const SIZE = SHOWN_AT + 512;

/**
 * From now on these calls on these directories (at most four) count, and the fault happens at one of them. With `call`
 * only that one counts (`fsync`).
 */
export function arm(fault: Fault, kinds: readonly Kind[], places: readonly string[], call = ""): void {
  const bytes = Buffer.alloc(SIZE);
  const mask = kinds.reduce((sum, kind) => sum | KINDS[kind], 0);
  const nth = fault.does === "count" ? 0 : fault.nth;
  const error = fault.does === "fail" ? errnoNumber(fault.errno) : 0;
  const lasts = "lasts" in fault && fault.lasts ? 1 : 0;
  const length = fault.does === "shorten" ? fault.bytes : 0;
  // The mode last: until then nothing happens.
  for (const [index, value] of [0, nth, error, mask, lasts, length].entries()) bytes.writeInt32LE(value, index * 4);
  for (const [index, place] of places.entries()) bytes.write(place, PLACES_AT + index * PLACE, PLACE - 1);
  bytes.write(call, CALL_AT, 31);
  const control = controlFile();
  writeSync(control, bytes, 0, SIZE, 0);
  const mode = Buffer.alloc(4);
  mode.writeInt32LE(MODES[fault.does]);
  writeSync(control, mode, 0, 4, 0);
}

/** No call counts any more. */
export function disarm(): Hit {
  const control = controlFile();
  writeSync(control, Buffer.alloc(4), 0, 4, 0);
  const bytes = Buffer.alloc(SIZE);
  readSync(control, bytes, 0, SIZE, 0);
  const shown = bytes.subarray(SHOWN_AT);
  return {
    calls: bytes.readInt32LE(24),
    hits: bytes.readInt32LE(28),
    shown: shown.subarray(0, shown.indexOf(0)).toString(),
  };
}

let open: number | undefined;

function controlFile(): number {
  const path = env["FAULT_CONTROL"];
  if (path === undefined) throw new Error("this process cannot be faulted: see faultEnvironment");
  return (open ??= openSync(path, "r+"));
}

function errnoNumber(name: string): number {
  const number = Object.entries(constants.errno).find(([each]) => each === name)?.[1];
  if (number === undefined) throw new Error(`no error ${name}`);
  return number;
}
