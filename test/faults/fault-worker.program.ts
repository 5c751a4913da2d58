import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

import {
  ask,
  assertRecovers,
  assertUntorn,
  openBench,
  prepareAgain,
  reset,
  settled,
  shown,
  withoutOurs,
  type Answer,
  type Bench,
} from "./bench.ts";
import { arm, disarm, type Fault, type Hit, type Kind } from "./fault.ts";

/*
 * A process that carries out commit paths with faults in them, loaded with fault.c. A line with a request, a line with
 * the answer; a kill is answered by the next process.
 */

/** What it is asked. */
export interface FaultRequest {
  readonly path: string;
  /** Directory of the bench. */
  readonly base: string;
  /** Look at what the last process left, and recover: by taking back, or by asking again. */
  readonly recover?: "undo" | "again";
  readonly fault?: Fault;
  readonly kinds?: readonly Kind[];
  /** Of the library only, and only this call. */
  readonly onlyInLibrary?: string;
  /** Leave what the last process left, so that its recovery is what is hit. */
  readonly goesOn?: boolean;
  /** Leave so many bytes free on the disk while the request is carried out. */
  readonly bytesLeft?: number;
  /** Look at what came of it; `true`: and take it back. */
  readonly thenUndo?: boolean;
}

/** What it answers. */
export interface FaultAnswer {
  readonly error?: string;
  readonly hit?: Hit;
  readonly outcome?: string;
}

async function answer(request: FaultRequest): Promise<FaultAnswer> {
  let bench = await openBench(request.path, request.base);
  if (request.recover !== undefined) {
    await assertUntorn(bench);
    await assertRecovers(bench, request.recover === "undo");
  }
  if (request.fault === undefined) return {};
  if (request.goesOn === true) prepareAgain(bench);
  else bench = await reset(bench);
  const { library, state, extra } = bench.places;
  const ballast = join(request.base, "ballast");
  if (request.bytesLeft !== undefined) leaveOnly(request.bytesLeft, ballast);
  const places = request.onlyInLibrary === undefined ? [library, state, extra] : [library];
  arm(request.fault, request.kinds ?? ["writes"], places, request.onlyInLibrary);
  const reply = await ask(state, bench.request);
  const hit = disarm();
  rmSync(ballast, { force: true });
  if (request.fault.does !== "kill" && request.thenUndo !== undefined) {
    try {
      await assertUntorn(bench, reply.outcome);
      assertHonest(bench, reply, request.fault);
      if (request.thenUndo && bench.path.isUndoable) await assertRecovers(bench, true);
    } catch (error) {
      throw new Error(`at ${hit.shown}, ${shown(reply)}: ${String(error)}`, { cause: error });
    }
  }
  return { hit, outcome: reply.outcome };
}

/** Fills the disk. */
function leaveOnly(bytes: number, ballast: string): void {
  const { bavail, bsize } = statfsSync(dirname(ballast));
  writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - bytes)));
}

/** What may be said of a call that failed. */
const CODES = ["unavailable", "forbidden", "stale_plan", "locked", "blocked", "partial", "refused", "interrupted"];

/** What failed has a code for it, and what is said to be done is done. */
function assertHonest({ places, after }: Bench, { outcome, output }: Answer, fault: Fault): void {
  if (outcome !== "ok") {
    // SQLite takes a disk that fails to read for a damaged file.
    const isDamage = outcome === "corrupt" && fault.does === "fail" && fault.errno === "EIO";
    if (!isDamage && !CODES.includes(outcome)) throw new Error(`the code ${outcome} is not for a failed call`);
    return;
  }
  // What cannot be looked at is told, and everything else done.
  if (Array.isArray(output?.["errors"]) && output["errors"].length > 0) return;
  const now = new Set(settled(places.library).map(loose));
  const missing = withoutOurs(after).find((line) => !now.has(loose(line)));
  if (missing !== undefined) throw new Error(`said to be done, but not ${missing}`);
}

/** Name, mode and content: times of what was written differ from run to run. */
const loose = (line: string) => line.replace(/ (\d+) (\d+) (\d+) -?\d* (\S*) (\S*)$/, " $1 $5");

for await (const line of createInterface({ input: process.stdin })) {
  let reply: FaultAnswer;
  try {
    reply = await answer(JSON.parse(line) as FaultRequest);
  } catch (error) {
    disarm();
    reply = { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
