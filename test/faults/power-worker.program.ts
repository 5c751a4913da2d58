import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, renameSync, unlinkSync } from "node:fs";
import { join } from "node:path";

import { invoke, openState, operations, type State } from "../../shared/index.ts";
import { managedSettings } from "../shared/managed/managed-place.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, makeMovies, writeMedia } from "../support/library.ts";
import { leftoversIn, letLocksAge, letQuarantineLocksAge } from "./scene.ts";

/*
 * A process whose disk loses power: `power-worker MOUNT`. First it looks at what the cut before left: every
 * cache is whole, what was interrupted is finished by asking again, and every run it had acknowledged can be undone.
 * Then it says "ready" and changes caches and directories, with a line for each thing that is done, until it is killed.
 */

const [mount = ""] = process.argv.slice(2);
const library = join(mount, "library");
const managed = join(mount, "managed");
const stateDirectory = join(mount, "state");
let state: State | undefined;
const config = { managed: [managedSettings(managed, { quarantine: "24h" })] };
let laterMs = 0;
const context = makeContext({
  state: () => (state ??= openState(stateDirectory)),
  config,
  now: () => Date.now() + laterMs,
});

async function run(name: string, input: Record<string, unknown>): Promise<Record<string, unknown>> {
  const operation = operations.find((each) => each.name === name);
  if (operation === undefined) throw new Error(`no operation ${name}`);
  return invoke(operation, input, context);
}

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** Looks at what was left; `acknowledged` are the runs whose end this process's forerunner had told. */
async function recover(acknowledged: readonly string[]): Promise<void> {
  letLocksAge(library);
  letQuarantineLocksAge(managed);
  // Leases of the process that died have ended by then.
  laterMs = 11_000;
  for (const directory of readdirSync(library)) {
    const file = join(library, directory, CACHE);
    if (!existsSync(file)) continue;
    const text = readFileSync(file, "utf8");
    const entries = Object.keys(JSON.parse(text) as object);
    if (entries.length === 0) throw new Error(`${file} is empty: ${text}`);
    if (!entries.some((key) => text.includes(`"fingerprint_hash": "${key}"`))) throw new Error(`${file} is torn`);
  }
  const { runs } = (await run("history", { limit: 1000 })) as {
    runs: { run: string; plan: string | null; status: string }[];
  };
  for (const known of acknowledged) {
    const found = runs.find((each) => each.run === known);
    if (found?.status !== "complete") throw new Error(`run ${known} was told to be done and is ${found?.status}`);
  }
  for (const { run: id, plan, status } of runs) {
    if (status === "running" || status === "interrupted") {
      if (plan !== null) await run("apply", { plan });
      else throw new Error(`run ${id} is ${status} and has no plan`);
    }
  }
  for (const id of acknowledged) {
    const report = await run("undo", { run: id });
    if (report["status"] !== "complete") throw new Error(`undo of ${id}: ${JSON.stringify(report["refused"])}`);
  }
  // A lock that was given back in a run that had ended may be there again: the next cleanup takes it away.
  if (leftoversIn(library).length > 0) {
    laterMs = 2 * 3_600_000;
    const { plan, status } = await run("cleanup", { paths: [library], allow: ["stale_ratio"] });
    if (status === "ready") await run("apply", { plan });
    say({ swept: true });
  }
  const left = [...leftoversIn(library), ...leftoversIn(managed)];
  if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
  const check = context.state().get("PRAGMA integrity_check")?.["integrity_check"];
  if (check !== "ok") throw new Error(`the state store: ${String(check)}`);
  laterMs = 0;
}

/** What others made is durable before we touch it: only what we do is to be judged. */
function appear(making: string, place: string): void {
  const sync = () => execFileSync("sync", ["-f", mount], { stdio: "pipe" });
  sync();
  renameSync(making, place);
  // The name as well: SQLite's fdatasync makes what we begin durable, but not that.
  sync();
}

/** Cleans one entry out of a cache. */
async function clean(number: number): Promise<void> {
  const making = join(mount, `making-${number}`);
  const films = join(library, `d${number}`);
  const [gone] = makeMovies(making, ["Gone (2001).mkv", "Here (2002).mkv"]);
  unlinkSync(gone ?? "");
  appear(making, films);
  const { plan, status } = await run("cleanup", { paths: [films] });
  if (status !== "ready") throw new Error(`the plan is ${String(status)}`);
  const report = await run("apply", { plan });
  if (report["status"] === "complete") say({ run: report["run"] });
}

/** Moves one directory to the quarantine. */
async function evict(number: number): Promise<void> {
  const name = `m${number}`;
  const making = join(mount, `making-${name}`);
  writeMedia(making, "film.bin", "x".repeat(1000));
  appear(making, join(managed, name));
  await run("register", { path: name });
  const { plan, status } = await run("evict", { paths: [name], allow: ["in_use"] });
  if (status !== "ready") throw new Error(`the plan is ${String(status)}`);
  const report = await run("apply", { plan });
  if (report["status"] === "complete") say({ run: report["run"] });
}

/** Changes one thing after the other until the disk is gone. */
async function work(from: number): Promise<void> {
  for (let number = from; ; number += 1) {
    try {
      await Promise.all([clean(number), number % 2 === 0 ? evict(number) : undefined]);
    } catch (error) {
      // The disk is gone, or so it should be.
      say({ stopped: String(error) });
      return;
    }
  }
}

const acknowledged = JSON.parse(process.argv[3] ?? "[]") as string[];
const base = Number(process.argv[4] ?? 0) * 1000;
try {
  if (base > 0) await recover(acknowledged);
  else {
    makeMovies(join(library, "known"), ["Known.mkv"]);
    writeMedia(join(managed, "known"), "known.bin");
    execFileSync("sync", ["-f", mount], { stdio: "pipe" });
  }
  say({ ready: true });
  await work(base);
} catch (error) {
  say({ broken: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}
