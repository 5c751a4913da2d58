import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { CacheOpsError, invoke, openState, operations, systemError, type State } from "../../shared/index.ts";
import { isOurName } from "../../shared/naming.ts";
import { makeContext } from "../support/context.ts";
import { makeDirectory } from "../support/place.ts";
import { commitPaths, type CommitPath, type Places, type Prepared } from "./commit-paths.ts";
import { copyInto, letLocksAge, letQuarantineLocksAge, leftoversIn, treeWithoutTimes } from "./scene.ts";

/** A commit path with everything it needs, made once and put back before each fault. */
export interface Bench {
  readonly path: CommitPath;
  readonly places: Places;
  readonly request: Request;
  /** What the request changes: contents of files before and after. */
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/** What is asked for, and when: how far from now, or at which time (ms since 1970). */
export interface Request extends Prepared {
  readonly at?: number;
  readonly laterMs?: number;
}

/** How a request ended; `internal` stands for an error that is none of ours. */
export interface Answer {
  readonly outcome: string;
  readonly error?: unknown;
  readonly output?: Record<string, unknown>;
}

const partsOf = (base: string): Places => ({
  library: join(base, "library"),
  state: join(base, "state"),
  extra: join(base, "extra"),
});

/** Makes the bench of a path below `base`, or takes up the one that was made there. */
export async function openBench(name: string, base: string): Promise<Bench> {
  const path = commitPaths.find((each) => each.name === name);
  if (path === undefined) throw new Error(`no path ${name}`);
  const places = partsOf(base);
  if (existsSync(join(base, BENCH))) {
    return { path, places, ...(JSON.parse(readFileSync(join(base, BENCH), "utf8")) as Kept) };
  }
  for (const place of eachOf(places)) mkdirSync(place, { recursive: true });
  const made = { request: await requestOf(path, places), before: treeWithoutTimes(places.library), after: [] };
  for (const place of eachOf(places)) copyInto(place, makeDirectory(copyOf(place)));
  const answer = await ask(places.state, made.request);
  assert.equal(answer.outcome, "ok", shown(answer));
  const bench = { path, places, ...made, after: treeWithoutTimes(places.library) };
  keep(bench);
  return reset(bench);
}

async function requestOf(path: CommitPath, places: Places): Promise<Request> {
  return { ...(await path.prepare(places)), ...(path.notesTime === true && { at: Date.now() }) };
}

const BENCH = "bench.json";

type Kept = Pick<Bench, "request" | "before" | "after">;

function keep({ places, request, before, after }: Bench): void {
  writeFileSync(join(places.library, "..", BENCH), JSON.stringify({ request, before, after }));
}

const eachOf = ({ library, state, extra }: Places) => [library, state, extra];
const COPIES = "copies";
const copyOf = (place: string) => join(dirname(place), COPIES, basename(place));

/** Puts everything back to where it was before the request, or makes it anew. */
export async function reset(bench: Bench): Promise<Bench> {
  const { path, places } = bench;
  if (path.isMadeAnew !== true) {
    const base = dirname(places.library);
    copyInto(
      join(base, COPIES),
      base,
      eachOf(places).map((place) => basename(place)),
    );
    return bench;
  }
  for (const place of eachOf(places)) {
    for (const name of readdirSync(place)) rmSync(join(place, name), { recursive: true });
  }
  const anew = { ...bench, request: await requestOf(path, places), before: treeWithoutTimes(places.library) };
  keep(anew);
  return anew;
}

/** Asks for something on a state directory; at one and the same time what writes the time down. */
export async function ask(
  stateDirectory: string,
  { operation, input, config, at, laterMs = 0 }: Request,
): Promise<Answer> {
  const named = operations.find(({ name }) => name === operation);
  if (named === undefined) throw new Error(`no operation ${operation}`);
  let state: State | undefined;
  const context = makeContext({
    state: () => (state ??= openState(stateDirectory)),
    config,
    now: () => at ?? Date.now() + laterMs,
  });
  try {
    const output = await invoke(named, input, context);
    return { outcome: named.outcome(output), output };
  } catch (error) {
    // As every face calls what is left of an error of the system.
    const known = systemError(error, operation);
    return { outcome: known instanceof CacheOpsError ? known.code : "internal", error };
  } finally {
    state?.close();
  }
}

/** Right after a fault: every file is the old or the new one, nothing else is there but what is ours. */
export async function assertUntorn({ path, places, before, after }: Bench, outcome?: string): Promise<void> {
  const [old, new_, now] = [before, after, treeWithoutTimes(places.library)].map(contentsOf);
  for (const name of new Set([...(old?.keys() ?? []), ...(new_?.keys() ?? []), ...(now?.keys() ?? [])])) {
    const found = now?.get(name);
    assert.ok(found === old?.get(name) || found === new_?.get(name), `${name} is neither old nor new: ${found}`);
  }
  await path.look?.(places, outcome);
}

/** Lets the time pass that a lock lives whose owner died before it could sign it. */
export function prepareAgain({ path, places }: Bench, takesBack = false): void {
  letLocksAge(places.library);
  letQuarantineLocksAge(places.library);
  if (!takesBack) path.beforeAgain?.(places);
}

/** The next run recovers by itself: asked for once more, or taken back where that can be. */
export async function assertRecovers(bench: Bench, takesBack: boolean): Promise<void> {
  const { path, places, before, after } = bench;
  // The lease of a process that died has ended by then.
  const request = { ...bench.request, laterMs: 11_000 };
  const isUndone = takesBack && path.isUndoable;
  prepareAgain(bench, isUndone);
  if (isUndone) {
    const history = await ask(places.state, { ...request, operation: "history", input: { limit: 1000 } });
    // None, when it ended before a run was begun: nothing happened, and there is nothing to take back.
    for (const { run } of (history.output?.["runs"] ?? []) as { run: string }[]) {
      const answer = await ask(places.state, { ...request, operation: "undo", input: { run } });
      assert.equal(answer.outcome, "ok", `undo: ${shown(answer)}`);
    }
    assert.deepEqual(settled(places.library), withoutOurs(before));
  } else {
    const answer = await ask(places.state, request);
    assert.equal(answer.outcome, "ok", `again: ${shown(answer)}`);
    assert.deepEqual([...contentsOf(treeWithoutTimes(places.library))], [...contentsOf(after)]);
  }
  await assertNothingLeft(bench);
}

/** Nothing of ours stays behind, and the stores are in order. */
async function assertNothingLeft({ path, places }: Bench): Promise<void> {
  const left = () => [places.library, places.extra].flatMap(leftoversIn).filter((name) => !name.startsWith("locked/"));
  // Who plans anew leaves to the next cleanup what the plan before had begun.
  if (path.notesTime === true && left().length > 0) await sweep(places);
  assert.deepEqual(left(), [], "left behind");
  for (const name of ["state.db", "managed.db", "probe.db"]) {
    const file = join(places.state, name);
    if (!existsSync(file)) continue;
    const database = new DatabaseSync(file);
    assert.equal(database.prepare("PRAGMA integrity_check").get()?.["integrity_check"], "ok", name);
    database.close();
  }
}

/** Two hours later, when nobody can be at work on it any more, a cleanup finds what was left behind. */
async function sweep({ library, state }: Places): Promise<void> {
  const laterMs = 2 * 3_600_000;
  const planned = await ask(state, { operation: "cleanup", input: { paths: [library] }, config: {}, laterMs });
  const applied = await ask(state, {
    operation: "apply",
    input: { plan: planned.output?.["plan"] },
    config: {},
    laterMs,
  });
  assert.equal(applied.outcome, "ok", shown(applied));
}

/** What an answer says, for messages. */
export function shown({ outcome, error, output }: Answer): string {
  return `${outcome} ${error instanceof Error ? (error.stack ?? "") : JSON.stringify(output?.["refused"] ?? "")}`;
}

/** The tree as it is, without what is ours. */
export function settled(library: string): string[] {
  return withoutOurs(treeWithoutTimes(library));
}

export function withoutOurs(lines: readonly string[]): string[] {
  return lines.filter((line) => !nameOf(line).split("/").some(isOurName));
}

/** Name and content of each file that is not ours. */
function contentsOf(lines: readonly string[]): Map<string, string> {
  const files = withoutOurs(lines).filter((line) => !line.endsWith("  "));
  return new Map(files.map((line) => [nameOf(line), line.slice(line.lastIndexOf(" ") + 1)]));
}

function nameOf(line: string): string {
  return /^(.*) \d+ \d+ \d+ -?\d* \S* \S*$/s.exec(line)?.[1] ?? line;
}
