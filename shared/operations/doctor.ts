import { access, constants, statfs } from "node:fs/promises";

import { Type } from "typebox";

import { examineManaged } from "../caches/managed/examine.ts";
import { examineProbeCache } from "../caches/probe/examine.ts";
import type { Context } from "../context.ts";
import { CacheOpsError, errnoOf } from "../errors.ts";
import { latestRuns } from "../journal.ts";
import { resolveRoots } from "../library.ts";
import { defineOperation } from "../operation.ts";
import { lifeOfRun } from "../run-life.ts";
import { inspectRoot } from "../passport.ts";
import { printable } from "../printable.ts";
import { formatBytes, parseDuration } from "../units.ts";
import { count } from "../view.ts";
import { Paths } from "./input.ts";

const Check = Type.Object(
  {
    name: Type.String(),
    status: Type.Enum(["ok", "warning", "failed"]),
    message: Type.String(),
    hint: Type.Union([Type.String(), Type.Null()], { description: "How to mend it." }),
  },
  { additionalProperties: false },
);
interface Checked {
  readonly name: string;
  readonly status: "ok" | "warning" | "failed";
  readonly message: string;
  readonly hint: string | null;
}

/** Says what is wrong with the set-up. */
export const doctor = defineOperation({
  name: "doctor",
  title: "Examine the set-up",
  description:
    "Says what is wrong with the set-up - state store, libraries, rights, ffprobe, interrupted runs - and how to mend it.",
  effect: "read",
  input: Type.Object({ paths: Paths }, { additionalProperties: false }),
  positional: "paths",
  output: Type.Object({ checks: Type.Array(Check) }, { additionalProperties: false }),
  rows: "checks",
  async run({ paths }, context) {
    const checks = [
      await examineState(context),
      ...(await examineRoots(paths ?? [], context)),
      ...(await examineManaged(context)),
      ...(await examineProbeCache(context)),
      await examineFfprobe(context),
      await examineTouch(),
      ...examineRuns(context),
    ];
    return { checks };
  },
  outcome: ({ checks }) => (checks.some(({ status }) => status === "failed") ? "stale" : "ok"),
  view({ checks }) {
    const wrong = checks.filter(({ status }) => status !== "ok").length;
    return {
      title: wrong === 0 ? "Everything is in order." : `${count(wrong, "thing")} to attend to.`,
      facts: [],
      table: {
        columns: ["Check", "Status", "Found"],
        rows: checks.map(({ name, status, message }) => [printable(name), status, printable(message)]),
      },
      notes: checks.flatMap(({ name, hint }) => (hint === null ? [] : [printable(`${name}: ${hint}`)])),
    };
  },
});

const ok = (name: string, message: string): Checked => ({ name, status: "ok", message, hint: null });

async function examineState(context: Context): Promise<Checked> {
  const name = "state store";
  try {
    const { directory } = context.state();
    const { bavail, bsize } = await statfs(directory);
    const free = bavail * bsize;
    if (free > 100_000_000) return ok(name, `${directory}, ${formatBytes(free)} free`);
    const hint = "Journal and backups need room there: free some space, or set CACHE_OPS_STATE_DIR.";
    return { name, status: "warning", message: `only ${formatBytes(free)} free in ${directory}`, hint };
  } catch (error) {
    if (!(error instanceof CacheOpsError)) throw error;
    return { name, status: "failed", message: error.message, hint: error.hint ?? null };
  }
}

async function examineRoots(paths: readonly string[], context: Context): Promise<Checked[]> {
  const { libraries, managed } = context.configuration;
  if (paths.length === 0 && libraries.length === 0) {
    if (managed.length > 0) return [];
    const hint = "Add libraries to the configuration, or name directories on every call.";
    return [{ name: "libraries", status: "warning", message: "none is configured", hint }];
  }
  const limit = parseDuration(context.configuration.timeLimit);
  const roots = await resolveRoots(paths, context);
  return Promise.all(
    roots.map(async (root): Promise<Checked> => {
      const found = await inspectRoot(root, limit);
      const name = `library ${root}`;
      if (found.state !== "healthy") {
        const hint = "Mount its disk, check rights and spelling. Until then it is left alone.";
        return { name, status: "failed", message: `${found.state} (${found.detail})`, hint };
      }
      return examineRights(name, found.passport.realPath);
    }),
  );
}

async function examineRights(name: string, path: string): Promise<Checked> {
  try {
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return ok(name, "readable and writable");
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    const hint = "Checks work, cleanups will be refused. Run cache-ops as the owner of the files.";
    return { name, status: "warning", message: `not writable (${errno})`, hint };
  }
}

async function examineFfprobe({ configuration }: Context): Promise<Checked> {
  const name = "ffprobe";
  const hint = "Install it (Debian: apt install ffmpeg), or set ffprobe.program. Only probing needs it.";
  const { execa } = await import("execa");
  const result = await execa(configuration.ffprobe.program, ["-version"], { reject: false, timeout: 10_000 });
  if (!result.failed) return ok(name, result.stdout.split("\n")[0] ?? "found");
  return {
    name,
    status: "warning",
    message: result.code === "ENOENT" ? "not installed" : (result.shortMessage ?? "failed"),
    hint,
  };
}

async function examineTouch(): Promise<Checked> {
  const name = "exact times";
  const { execa } = await import("execa");
  const result = await execa("touch", ["--help"], { reject: false, timeout: 10_000 });
  if (result.code !== "ENOENT") return ok(name, "an undo restores times to the nanosecond");
  const hint = "Install coreutils; without touch an undo restores times to the microsecond.";
  return { name, status: "warning", message: "touch is not installed", hint };
}

function examineRuns(context: Context): Checked[] {
  return latestRuns(context.state(), 1000)
    .filter((run) => run.state === "running" && lifeOfRun(run) === "dead")
    .map((run) => ({
      name: `run ${run.id}`,
      status: "failed",
      message: "was interrupted",
      hint:
        run.plan === null
          ? `\`cache-ops undo ${run.undoes ?? run.id}\` goes on.`
          : `\`cache-ops apply ${run.plan}\` goes on, \`cache-ops undo ${run.id}\` takes it back.`,
    }));
}
