import { examineContainer, performContainer, prepareContainer } from "./container-step.ts";
import type { Context } from "./context.ts";
import { examineJellyfin, performJellyfinStep, prepareJellyfin } from "./jellyfin-step.ts";
import { blankStep, type Step } from "./journal.ts";
import type { RemoteAction } from "./plan.ts";

/*
 * Steps on what lies in a container or on a server. Nothing of it can be kept for an undo: the plan says so, and each
 * is compared with what the planner saw right before anything goes.
 */

/** What a step was seen to have done. */
export type RemoteOutcome = Pick<Step, "state" | "before" | "after" | "code" | "message">;

/** The line for the journal. Throws `stale_plan` when what it is about is not as planned; changes nothing. */
export async function prepareRemote(action: RemoteAction, context: Context): Promise<Step> {
  if (action.type === "empty_container_cache") await prepareContainer(action, context);
  else await prepareJellyfin(action, context);
  return blankStep(action);
}

/** Carries the action out and measures what became of it. Throws where nothing was changed. */
export async function performRemote(action: RemoteAction, context: Context): Promise<RemoteOutcome> {
  return action.type === "empty_container_cache"
    ? performContainer(action, context)
    : performJellyfinStep(action, context);
}

/** How far an action came whose process died; an outcome where that is known only in part. */
export async function examineRemote(
  action: RemoteAction,
  context: Context,
): Promise<"done" | "again" | "foreign" | RemoteOutcome> {
  return action.type === "empty_container_cache" ? examineContainer(action, context) : examineJellyfin(action, context);
}
