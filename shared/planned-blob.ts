import { gzipSync } from "node:zlib";

import type { Content } from "./file.ts";
import type { State } from "./state.ts";

/** Bytes that a plan is to write and that are nowhere else, with their hash. */
export interface PlannedBlob {
  readonly content: Content;
  readonly bytes: Uint8Array;
}

/** Puts bytes among the backups for a plan, where they stay until `until` (ms since 1970), or its run has ended. */
export function keepForPlan(
  state: State,
  plan: string,
  blobs: readonly PlannedBlob[],
  times: { readonly now: number; readonly until: number },
): void {
  const packed = blobs.map(({ content, bytes }) => ({ ...content, bytes: gzipSync(bytes, { level: 1 }) }));
  state.write(() => {
    for (const { sha256, size, bytes } of packed) {
      state.run("INSERT OR IGNORE INTO blobs VALUES (?, ?, ?, ?)", sha256, bytes, size, times.now);
      state.run("INSERT OR REPLACE INTO plan_blobs VALUES (?, ?, ?)", plan, sha256, times.until);
    }
  });
}

/** Keeps what one plan needs for another one, too. */
export function keepForNarrowed(state: State, from: string, to: string, until: number): void {
  state.write(() =>
    state.run("INSERT OR REPLACE INTO plan_blobs SELECT ?, sha256, ? FROM plan_blobs WHERE plan = ?", to, until, from),
  );
}

/** Lets go of what no plan needs any more: only inside {@link State.write}. What runs are going to write is kept. */
export function releasePlanned(state: State, now: number): void {
  state.run(
    "DELETE FROM plan_blobs WHERE until < ? AND plan NOT IN (SELECT plan FROM runs WHERE state = 'running' AND plan IS NOT NULL)",
    now,
  );
  state.run(
    "DELETE FROM plan_blobs WHERE plan IN (SELECT plan FROM runs WHERE state <> 'running' AND plan IS NOT NULL)",
  );
}
