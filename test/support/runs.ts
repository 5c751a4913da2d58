import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";

import { CacheOpsError, invoke, type Context, type ErrorCode } from "../../shared/index.ts";
import { apply } from "../../shared/operations/apply.ts";
import { cleanup } from "../../shared/operations/cleanup.ts";
import { undo } from "../../shared/operations/undo.ts";
import { makePlace } from "./place.ts";
import { makeMovies } from "./library.ts";

/** Plans a cleanup of some roots, with every change listed. */
export function planCleanup(context: Context, roots: readonly string[], input: Record<string, unknown> = {}) {
  return invoke(cleanup, { paths: [...roots], detail: "full", ...input }, context);
}

/** Applies a plan by its id; the report has every single outcome. */
export function applyById(context: Context, plan: string) {
  return invoke(apply, { plan, detail: "full" }, context);
}

/** Undoes a run by its id; the report has every single outcome. */
export function undoById(context: Context, run: string) {
  return invoke(undo, { run, detail: "full" }, context);
}

/** For `assert.rejects`: an error of ours with this code that says what to do next. */
export function failsWith(code: ErrorCode, message = /./): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof CacheOpsError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}

/** A library of directories that hold three films each, and a cache; the film `gone.mkv` of each was deleted. */
export function makeStaleLibrary(...names: readonly string[]): string {
  const root = makePlace("library");
  for (const name of names) {
    makeMovies(join(root, name), [`${name} one.mkv`, "gone.mkv", `${name} two.mkv`]);
    rmSync(join(root, name, "gone.mkv"));
  }
  return root;
}
