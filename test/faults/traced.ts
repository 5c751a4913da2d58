import assert from "node:assert/strict";
import { spawn, type ChildProcess, type ChildProcessByStdio } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";

import { atEnd } from "../support/at-end.ts";
import { makePlace } from "../support/place.ts";
import { programOf } from "../support/program.ts";

/*
 * Faults at single system calls. A call is named by its thread, its name and how often that thread made it since the
 * tracer was attached: strace counts the same way, so what one run recorded can be hit in the next.
 */

const DRIVER = programOf("faults/driver");

/** Every call that can change what a disk holds. `write` is among them for files; pipes are told apart by path. */
export const WRITE_CALLS = [
  "write pwrite64 writev pwritev ftruncate truncate fallocate copy_file_range sendfile open openat",
  "openat2 creat mkdir mkdirat mknod mknodat rmdir unlink unlinkat rename renameat renameat2 link",
  "linkat symlink symlinkat chmod fchmod fchmodat chown fchown lchown fchownat utime utimes utimensat",
  "futimesat setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr fsync fdatasync sync",
  "syncfs sync_file_range msync",
].flatMap((line) => line.split(" "));

/** One call to hit. */
export interface Point {
  readonly thread: string;
  readonly call: string;
  readonly nth: number;
  /** The call as strace showed it, for messages. */
  readonly shown: string;
}

/** What an operation came back with; `undefined` when its process died. */
export type Answer =
  | {
      readonly outcome: string;
      readonly output?: Record<string, unknown>;
      readonly error?: { readonly message: string; readonly hint?: string };
    }
  | undefined;

/** A process that waits to be told what to do. */
export interface Driver {
  readonly pid: number;
  run(operation: string, input: Record<string, unknown>, config?: Record<string, unknown>): Promise<Answer>;
  /** Ends it, if it has not ended, and waits for that. */
  stop(): Promise<void>;
}

/** Starts a driver. It does not touch the state directory before it is told to run something. */
export async function startDriver(state: string, uid?: number): Promise<Driver> {
  const asUser = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", process.execPath];
  const [command = "", ...args] = uid === undefined ? [process.execPath] : asUser;
  const env = { ...process.env, UV_THREADPOOL_SIZE: "1" };
  const child = spawn(command, [...args, DRIVER, state], { env, stdio: ["pipe", "pipe", "inherit"] });
  drivers.add(child);
  child.on("close", () => drivers.delete(child));
  const lines = linesOf(child);
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  assert.equal(await lines.next(), "ready");
  return {
    pid: child.pid ?? 0,
    async run(operation, input, config) {
      child.stdin.write(`${JSON.stringify({ operation, input, config })}\n`);
      const line = await lines.next();
      return line === undefined ? undefined : (JSON.parse(line) as Answer);
    },
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}

/** Those still running: a failed test must not leave processes behind that keep the test run from ending. */
const drivers = new Set<ChildProcess>();

atEnd(() => {
  for (const driver of drivers) driver.kill("SIGKILL");
});

function linesOf({ stdout }: ChildProcessByStdio<Writable, Readable, null>) {
  const reader: Interface = createInterface({ input: stdout });
  const iterator = reader[Symbol.asyncIterator]();
  return {
    async next(): Promise<string | undefined> {
      const { value, done } = await iterator.next();
      return done === true ? undefined : value;
    },
  };
}

/** Threads of a driver by what they do. */
function threadsOf(pid: number): Map<string, number> {
  const threads = new Map<string, number>();
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const name = readFileSync(`/proc/${pid}/task/${task}/comm`, "utf8").trim();
    const role = ROLES.find(([, pattern]) => pattern.test(name))?.[0];
    if (role !== undefined) threads.set(role, Number(task));
  }
  assert.equal(threads.size, ROLES.length, `threads of the driver: ${[...threads.keys()].join(", ")}`);
  return threads;
}

const ROLES = [
  ["main", /^MainThread$/],
  ["pool", /^libuv-worker$/],
  ["keeper", /^WorkerThread$/],
] as const;

/** Attaches strace to threads and resolves when it sees them; `detached` resolves with what it wrote. */
async function attach(threads: readonly number[], options: readonly string[]) {
  const file = join(makePlace("trace"), "trace");
  const pids = threads.flatMap((thread) => ["-p", String(thread)]);
  const tracer = spawn("strace", [...options, "-o", file, ...pids], { stdio: ["ignore", "ignore", "pipe"] });
  const detached = new Promise<void>((resolve) => tracer.on("close", () => resolve()));
  let attached = 0;
  await new Promise<void>((resolve, reject) => {
    tracer.on("close", () => reject(new Error("strace did not attach")));
    createInterface({ input: tracer.stderr }).on("line", (line) => {
      if (!/attached/.test(line)) return;
      attached += 1;
      if (attached === threads.length) resolve();
    });
  });
  return { detached: detached.then(() => readFileSync(file, "utf8")) };
}

/** Accepts the calls that touch one of these directories, also through a descriptor of the driver's own. */
export function touching({ pid }: Driver, directories: readonly string[]): (line: string) => boolean {
  const places = [...directories, `"/proc/${pid}/fd/`];
  return (line) => places.some((place) => line.includes(place));
}

/** At most so many points, evenly spread. */
export function spread(points: readonly Point[], most: number): Point[] {
  if (points.length <= most) return [...points];
  return Array.from({ length: most }, (_, index) => points[Math.floor((index * points.length) / most)]).filter(
    (point) => point !== undefined,
  );
}

/** Runs something with a driver while recording; returns the calls on paths that `isWanted` accepts, in order. */
export async function recordPoints(
  driver: Driver,
  isWanted: (line: string) => boolean,
  work: () => Promise<Answer>,
): Promise<{ readonly answer: Answer; readonly points: Point[] }> {
  const threads = threadsOf(driver.pid);
  const tracer = await attach([...threads.values()], ["-y", "-s", "64", "-e", `trace=${WRITE_CALLS.join(",")}`]);
  const answer = await work();
  await driver.stop();
  const roles = new Map([...threads].map(([role, thread]) => [thread, role]));
  const counts = new Map<string, number>();
  const points: Point[] = [];
  for (const line of (await tracer.detached).split("\n")) {
    const [, thread, call] = /^(\d+) +([a-z0-9_]+)\(/.exec(line) ?? [];
    const role = roles.get(Number(thread));
    if (role === undefined || call === undefined) continue;
    const nth = (counts.get(`${role} ${call}`) ?? 0) + 1;
    counts.set(`${role} ${call}`, nth);
    const reads = call.startsWith("open") && !/O_WRONLY|O_RDWR|O_CREAT|O_TRUNC/.test(line);
    if (!reads && isWanted(line)) points.push({ thread: role, call, nth, shown: line });
  }
  return { answer, points };
}

/** Runs something with a driver and does `what` (`signal=KILL`, `error=EIO`) at one call. */
export async function injectAt(
  driver: Driver,
  { thread, call, nth }: Point,
  what: string,
  work: () => Promise<Answer>,
): Promise<{ readonly answer: Answer; readonly hit: boolean }> {
  const target = threadsOf(driver.pid).get(thread) ?? 0;
  const inject = ["-y", "-e", `trace=${call}`, "-e", `inject=${call}:${what}:when=${nth}`];
  const tracer = await attach([target], inject);
  const answer = await work();
  await driver.stop();
  const trace = await tracer.detached;
  // The order of calls varies a little: a `write` may be one that only wakes another thread.
  const fault = trace.split("\n").find((line) => line.includes("(INJECTED)"));
  const hit = what.startsWith("signal") ? answer === undefined : fault !== undefined && !fault.includes("anon_inode:");
  return { answer, hit };
}
