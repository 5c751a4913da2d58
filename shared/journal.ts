import { gunzipSync, gzipSync } from "node:zlib";

import { Type, type Static } from "typebox";

import { CacheOpsError, errnoOf } from "./errors.ts";
import { Attributes, Content } from "./file.ts";
import { Owner } from "./owner.ts";
import { Passport } from "./passport.ts";
import { Change } from "./change.ts";
import { Action } from "./plan.ts";
import { Report, type RunStatus } from "./report.ts";
import type { State } from "./state.ts";
import { matches, parse } from "./validate.ts";

/** What a run carries out: actions bound to what was seen, the changes they make, the roots they lie in. */
export const Work = Type.Object(
  {
    actions: Type.Array(Action),
    changes: Type.Array(Change),
    passports: Type.Array(Passport),
    bytes: Type.Integer({ description: "Bytes it is expected to free." }),
  },
  { additionalProperties: false },
);
export type Work = Static<typeof Work>;

/** A run as it is stored. */
export interface Run {
  readonly id: string;
  readonly plan: string | null;
  readonly undoes: string | null;
  readonly undoneBy: string | null;
  /** `running` until its report is written. */
  readonly state: "running" | RunStatus;
  readonly owner: Owner;
  readonly startedAt: number;
  readonly work: Work;
  readonly report: Report | null;
  /** Its backups were given up: it cannot be undone any more. */
  readonly forgotten: boolean;
}

/** One action's line in the journal. Written as `intended`, with the old bytes, before anything changes. */
export interface Step {
  readonly seq: number;
  readonly file: string;
  /** `partial`: something was done, not all of it, or not all of it was seen. */
  readonly state: "intended" | "done" | "partial" | "refused";
  readonly temp: string;
  readonly before: Content | null;
  readonly after: Content | null;
  readonly attributes: Attributes | null;
  /** Modification time of the directory before and after, in ns. */
  readonly directoryBefore: string | null;
  readonly directoryAfter: string | null;
  readonly code: string | null;
  readonly message: string | null;
}

/** The line of an action of which nothing is known yet. */
export function blankStep({ seq, file }: Pick<Action, "seq" | "file">): Step {
  return {
    seq,
    file,
    state: "intended",
    temp: "",
    before: null,
    after: null,
    attributes: null,
    directoryBefore: null,
    directoryAfter: null,
    code: null,
    message: null,
  };
}

/** Begins a run. With a plan, uses it up in the same transaction: `false` when somebody else was first. */
export function beginRun(
  state: State,
  run: Pick<Run, "id" | "plan" | "undoes" | "owner" | "startedAt" | "work">,
): boolean {
  const packed = pack(Buffer.from(JSON.stringify(run.work)));
  latest = { packed, work: new WeakRef(run.work) };
  return state.write(() => {
    if (run.plan !== null) {
      const taken = state.run("UPDATE plans SET run = ? WHERE id = ? AND run IS NULL", run.id, run.plan);
      if (taken === 0) return false;
    }
    state.run(
      "INSERT INTO runs (id, plan, undoes, state, owner, started_at, work) VALUES (?, ?, ?, 'running', ?, ?, ?)",
      run.id,
      run.plan,
      run.undoes,
      JSON.stringify(run.owner),
      run.startedAt,
      packed,
    );
    return true;
  });
}

/** Takes an interrupted run over from its dead owner; `false` when somebody else was first. */
export function claimRun(state: State, run: Run, owner: Owner): boolean {
  const [mine, theirs] = [JSON.stringify(owner), JSON.stringify(run.owner)];
  return state.write(
    () =>
      state.run("UPDATE runs SET owner = ? WHERE id = ? AND owner = ? AND state = 'running'", mine, run.id, theirs) > 0,
  );
}

/** Ends a run with its report. */
export function endRun(state: State, report: Report, endedAt: number): void {
  state.write(() => {
    const { status, run } = report;
    state.run(
      "UPDATE runs SET state = ?, ended_at = ?, report = ? WHERE id = ?",
      status,
      endedAt,
      JSON.stringify(report),
      run,
    );
    if (report.undoes !== null && (status === "complete" || status === "partial")) {
      state.run("UPDATE runs SET undone_by = ? WHERE id = ?", run, report.undoes);
      // What an undo took back stands again once that undo is itself undone.
      state.run("UPDATE runs SET undone_by = NULL WHERE id = (SELECT undoes FROM runs WHERE id = ?)", report.undoes);
    }
  });
}

/** (2) Writes down what is about to happen and the old bytes, durably, before it happens; and how earlier steps ended. */
export function intend(
  state: State,
  run: string,
  steps: readonly { readonly step: Step; readonly bytes: Uint8Array | undefined }[],
  { ended, now }: { readonly ended: readonly Step[]; readonly now: number },
): void {
  const packed = steps.map(({ step, bytes }) => ({ step, bytes: bytes && pack(bytes) }));
  state.write(() => {
    for (const step of ended) writeStep(state, run, step);
    for (const { step, bytes } of packed) {
      if (bytes !== undefined && step.before !== null) {
        const { sha256, size } = step.before;
        state.run("INSERT OR IGNORE INTO blobs VALUES (?, ?, ?, ?)", sha256, bytes, size, now);
      }
      writeStep(state, run, step);
    }
  });
}

/** Writes down how steps ended. */
export function settle(state: State, run: string, steps: readonly Step[]): void {
  state.write(() => {
    for (const step of steps) writeStep(state, run, step);
  });
}

function writeStep(state: State, run: string, step: Step): void {
  const json = (value: unknown) => (value === null ? null : JSON.stringify(value));
  state.run(
    "INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    run,
    step.seq,
    step.file,
    step.state,
    step.temp,
    json(step.before),
    json(step.after),
    json(step.attributes),
    step.directoryBefore,
    step.directoryAfter,
    step.code,
    step.message,
  );
}

/** The steps of a run in their order. */
export function stepsOf(state: State, run: string): Step[] {
  return state.all("SELECT * FROM steps WHERE run = ? ORDER BY seq", run).map((row) => ({
    seq: Number(row["seq"]),
    file: String(row["file"]),
    state:
      row["state"] === "done" || row["state"] === "partial" || row["state"] === "refused" ? row["state"] : "intended",
    temp: String(row["temp"]),
    before: optional(Content, row["before"]),
    after: optional(Content, row["after"]),
    attributes: optional(Attributes, row["attributes"]),
    directoryBefore: text(row["directory_before"]),
    directoryAfter: text(row["directory_after"]),
    code: text(row["code"]),
    message: text(row["message"]),
  }));
}

/** A backup's bytes by their SHA-256. Throws `not_found` when retention gave it up. */
export function blobOf(state: State, sha256: string): Buffer {
  const row = state.get("SELECT bytes FROM blobs WHERE sha256 = ?", sha256);
  if (!(row?.["bytes"] instanceof Uint8Array)) {
    throw new CacheOpsError("not_found", "the backup of this file is no longer kept", {
      hint: "Backups are kept for the configured retention; this run cannot be undone any more.",
    });
  }
  return gunzipSync(row["bytes"]);
}

/** A run by its id. Throws `not_found`. */
export function loadRun(state: State, id: string): Run {
  const row = state.get("SELECT * FROM runs WHERE id = ?", id);
  if (row === undefined) {
    throw new CacheOpsError("not_found", `there is no run ${JSON.stringify(id)}`, {
      hint: "history lists the runs that are known.",
    });
  }
  return runOf(row);
}

/** The undo of a run that was begun and has not ended, if there is one. */
export function begunUndoOf(state: State, id: string): Run | undefined {
  const row = state.get("SELECT * FROM runs WHERE undoes = ? AND state = 'running'", id);
  return row && runOf(row);
}

/** The latest runs, newest first. */
export function latestRuns(state: State, most: number): Run[] {
  return state.all("SELECT * FROM runs ORDER BY started_at DESC, rowid DESC LIMIT ?", most).map(runOf);
}

/**
 * Gives up backups of runs begun before `time` (ms since 1970), and the oldest ones beyond `maxBytes`. Runs that have
 * not ended keep theirs: called before a run ends, it leaves that run undoable whatever its size. What plans are going
 * to write is kept and does not count.
 */
export function forgetBackups(state: State, time: number, maxBytes: number): void {
  state.run("UPDATE runs SET forgotten = 1 WHERE forgotten = 0 AND state <> 'running' AND started_at < ?", time);
  for (;;) {
    state.run(
      "DELETE FROM blobs WHERE sha256 NOT IN (SELECT json_extract(before, '$.sha256') FROM steps JOIN runs ON runs.id = run WHERE forgotten = 0 AND before IS NOT NULL) AND sha256 NOT IN (SELECT sha256 FROM plan_blobs)",
    );
    const total = Number(
      state.get(
        "SELECT coalesce(sum(length(bytes)), 0) AS total FROM blobs WHERE sha256 NOT IN (SELECT sha256 FROM plan_blobs)",
      )?.["total"],
    );
    if (total <= maxBytes) return;
    const oldest = state.run(
      "UPDATE runs SET forgotten = 1 WHERE id = (SELECT id FROM runs WHERE forgotten = 0 AND state <> 'running' ORDER BY started_at LIMIT 1)",
    );
    if (oldest === 0) return;
  }
}

/** The work that was stored or checked last: to begin, load and undo a run in one go is to check it once. */
let latest: { readonly packed: Uint8Array; readonly work: WeakRef<Work> } | undefined;

function workOf(packed: unknown): Work {
  const bytes = packed instanceof Uint8Array ? packed : pack(Buffer.from("null"));
  const known = latest !== undefined && Buffer.compare(latest.packed, bytes) === 0 ? latest.work.deref() : undefined;
  if (known !== undefined) return known;
  const work = parse(Work, unpacked(bytes), "work of a run");
  latest = { packed: bytes, work: new WeakRef(work) };
  return work;
}

/** What was stored packed. Throws `corrupt` when it is not as it was stored. */
function unpacked(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(gunzipSync(bytes).toString("utf8"));
  } catch (error) {
    if (!(error instanceof SyntaxError) && errnoOf(error) === undefined) throw error;
    throw new CacheOpsError("corrupt", "a run's journal is damaged", { hint: "Check its disk.", cause: error });
  }
}

function runOf(row: Readonly<Record<string, unknown>>): Run {
  const state = row["state"];
  return {
    id: String(row["id"]),
    plan: text(row["plan"]),
    undoes: text(row["undoes"]),
    undoneBy: text(row["undone_by"]),
    state:
      state === "complete" || state === "partial" || state === "refused" || state === "cancelled" ? state : "running",
    owner: parse(Owner, JSON.parse(String(row["owner"])), "owner of a run"),
    startedAt: Number(row["started_at"]),
    work: workOf(row["work"]),
    report: optional(Report, row["report"]),
    forgotten: row["forgotten"] === 1,
  };
}

function optional<S extends Parameters<typeof matches>[0]>(schema: S, value: unknown): Static<S> | null {
  const parsed: unknown = typeof value === "string" ? JSON.parse(value) : undefined;
  return matches(schema, parsed) ? parsed : null;
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

const pack = (bytes: Uint8Array): Uint8Array => gzipSync(bytes, { level: 1 });
