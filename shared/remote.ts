import type { Draft } from "./draft.ts";
import type { Change } from "./change.ts";
import type { Action } from "./plan.ts";

/** Whether a change is about what lies in a container or on a server. */
export function isRemoteChange({ container, jellyfin }: Change): boolean {
  return container !== undefined || jellyfin !== undefined;
}

/** Turns changes of engine caches and Jellyfin servers into actions. What they need was seen when they were planned. */
export function draftRemote(changes: readonly Change[]): Draft {
  const actions: Action[] = [];
  for (const { id, cache, container, jellyfin, evidence } of changes) {
    const common = { seq: actions.length + 1, file: cache, lock: cache, changes: [id], after: [], evidence };
    if (container !== undefined) actions.push({ type: "empty_container_cache", ...common, container });
    if (jellyfin !== undefined) actions.push({ type: "ask_jellyfin", ...common, jellyfin });
  }
  const bytes = changes.reduce((sum, { container }) => sum + (container?.seen.size ?? 0), 0);
  return { changes, actions, caches: [], skipped: [], bytes };
}
