import { spawn } from "node:child_process";
import { lstat, stat, utimes } from "node:fs/promises";
import { Socket } from "node:net";
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers";

import { errnoOf } from "./errors.ts";
import { answerWithin } from "./time-limit.ts";

/**
 * Sets a modification time to the nanosecond, where the system has a POSIX `touch`; Node itself takes seconds as a
 * double, of which one in 238 nanoseconds is left today. Returns whether the file now has exactly that time.
 */
export async function setMtime(path: string, mtimeNs: bigint): Promise<boolean> {
  if ((await stat(path, { bigint: true })).mtimeNs === mtimeNs) return true;
  await touchTogether(["-cm", isoTime(mtimeNs), path]);
  return (await stat(path, { bigint: true })).mtimeNs === mtimeNs;
}

/** As {@link setMtime}, of a link itself. */
export async function setOwnMtime(path: string, mtimeNs: bigint): Promise<boolean> {
  if ((await lstat(path, { bigint: true })).mtimeNs === mtimeNs) return true;
  await touchTogether(["-chm", isoTime(mtimeNs), path]);
  return (await lstat(path, { bigint: true })).mtimeNs === mtimeNs;
}

/** {@link setMtime}, and the time of access as near as Node can. */
export async function setTimes(path: string, atimeNs: bigint, mtimeNs: bigint): Promise<boolean> {
  await utimes(path, Number(atimeNs) / 1e9, Number(mtimeNs) / 1e9);
  return setMtime(path, mtimeNs);
}

/** Flags, time and path for `touch`. */
type Touch = readonly [flags: "-cm" | "-chm", time: string, path: string];

/** After how long nothing is expected of `touch` any more. */
const TOUCH_SECONDS = 30;

let waiting: { readonly touch: Touch; readonly resolve: (done: Promise<void>) => void }[] = [];

/** Has `touch` run on a path, at once with those of all who ask in the same turn. Whether it worked is to be looked at. */
async function touchTogether(touch: Touch): Promise<void> {
  if (touch[2].includes("\n")) {
    const { execa } = await import("execa");
    await execa("touch", [touch[0], "-d", touch[1], "--", touch[2]], { reject: false, timeout: TOUCH_SECONDS * 1000 });
    return;
  }
  await new Promise<void>((resolve) => {
    if (waiting.length === 0) setImmediate(touchWaiting);
    waiting.push({ touch, resolve });
  });
}

function touchWaiting(): void {
  const all = waiting;
  waiting = [];
  toucher ??= startToucher();
  const done = toucher(all.map(({ touch }) => touch));
  for (const { resolve } of all) resolve(done);
}

let toucher: ReturnType<typeof startToucher> | undefined;

/** Reads flags, time and path, a line each, and never takes what it reads for a command. An empty line asks it to answer when all are done. */
const LOOP = `while IFS= read -r flags; do
  if [ -z "$flags" ]; then wait; echo; continue; fi
  IFS= read -r time; IFS= read -r path
  touch "$flags" -d "$time" -- "$path" &
done`;

/**
 * Starts a shell that starts the others: for this process, with all its memory, that takes longer than all the rest of
 * putting a file back. It ends with this process, and does not keep it.
 */
function startToucher() {
  // A group of its own: Ctrl-C stops this process between two files, not the work on one.
  const shell = spawn("sh", ["-c", LOOP], { stdio: ["pipe", "pipe", "ignore"], detached: true });
  const asked: (() => void)[] = [];
  const end = () => {
    toucher = undefined;
    for (const resolve of asked.splice(0)) resolve();
  };
  shell.on("error", end).on("exit", end);
  // That nobody reads any more, its exit tells.
  shell.stdin.on("error", () => undefined);
  createInterface({ input: shell.stdout }).on("line", () => {
    asked.shift()?.();
    if (asked.length === 0) shell.unref();
  });
  for (const pipe of [shell.stdin, shell.stdout]) if (pipe instanceof Socket) pipe.unref();
  return async (touches: readonly Touch[]): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    asked.push(resolve);
    shell.ref();
    shell.stdin.write(`${touches.flat().join("\n")}\n\n`);
    try {
      await answerWithin(promise, TOUCH_SECONDS, "touch");
    } catch (error) {
      if (errnoOf(error) !== "ETIMEDOUT") throw error;
      shell.kill("SIGKILL");
    }
  };
}

/** `YYYY-MM-DDThh:mm:ss.nnnnnnnnnZ`, the form POSIX gives `touch -d`. */
function isoTime(mtimeNs: bigint): string {
  const nanoseconds = ((mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = (mtimeNs - nanoseconds) / 1_000_000_000n;
  const text = new Date(Number(seconds) * 1000).toISOString();
  return `${text.slice(0, 19)}.${String(nanoseconds).padStart(9, "0")}Z`;
}
