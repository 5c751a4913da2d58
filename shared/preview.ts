import type { Context } from "./context.ts";
import { CacheOpsError } from "./errors.ts";
import { contentOf, readIfThere } from "./file.ts";
import { isFileAction, type Plan } from "./plan.ts";
import { plannedBytes } from "./step.ts";

/** A file as it is and as a plan would leave it; `null`: there is no such file. */
export interface Preview {
  readonly before: Buffer | null;
  readonly after: Buffer | null;
}

/**
 * Works out what applying a plan would make of one file, by the same code that writes it. Changes nothing.
 *
 * Throws `not_found` for a file the plan does not change, `stale_plan` when it is no longer as it was planned for.
 */
export async function previewFile(plan: Plan, file: string, context: Context): Promise<Preview> {
  const actions = plan.actions.filter(isFileAction).filter((action) => action.file === file);
  if (actions.length === 0) {
    throw new CacheOpsError("not_found", `plan ${plan.id} does not change ${file}`, {
      hint: "Choose one of its files.",
    });
  }
  const before = (await readIfThere(file))?.bytes;
  let now = before;
  for (const action of actions.toSorted((a, b) => a.seq - b.seq)) {
    const seen = action.seen?.sha256;
    if ((now === undefined ? undefined : contentOf(now).sha256) !== seen) {
      throw new CacheOpsError("stale_plan", `${file} was changed since the plan`, { hint: "Make a new plan." });
    }
    now = action.type === "remove_file" ? undefined : await plannedBytes(action, now, context);
  }
  return { before: before ?? null, after: now ?? null };
}
