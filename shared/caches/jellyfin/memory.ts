import type { State } from "../../state.ts";
import { matches } from "../../validate.ts";
import type { JellyfinStep } from "./clear-plan.ts";
import type { JellyfinOutcome } from "./clear.ts";
import { Offer, SECTIONS, type Section } from "./xtream.ts";

/*
 * What is remembered of servers: what the provider offered when a section was last filled in full, and the steps that
 * were taken. An offer is counted when a plan is made and travels with its step; it is the measure from the moment on at
 * which that step's refill was seen to end well. So a plan that is never applied, or not to the end, changes no measure.
 */

/** Steps kept of each section and task of a server; older ones are forgotten. */
const MOST_STEPS = 100;

/** What the provider of a server offered when each section was last filled in full. */
export function rememberedOffers(state: State, serverId: string): ReadonlyMap<Section, Offer> {
  const offers = new Map<Section, Offer>();
  for (const section of SECTIONS) {
    const sql = "SELECT categories, items FROM jellyfin_offers WHERE server_id = ? AND section = ?";
    const row = { ...state.get(sql, serverId, section) };
    if (matches(Offer, row)) offers.set(section, row);
  }
  return offers;
}

/** Notes what became of a step, at `now` (ms since 1970); the offer only when the section is full again. Throws as `write` does. */
export function rememberStep(state: State, step: JellyfinStep, outcome: JellyfinOutcome, now: number): void {
  const { server, serverId, does } = step;
  const what = step.does === "run_task" ? step.key : step.section;
  const { status, parts, counts } = outcome;
  state.write(() => {
    state.run(
      "INSERT INTO jellyfin_steps (server, does, what, at, status, outcome) VALUES (?, ?, ?, ?, ?, ?)",
      server,
      does,
      what,
      now,
      status,
      JSON.stringify({ parts, counts }),
    );
    state.run(
      "DELETE FROM jellyfin_steps WHERE server = ? AND does = ? AND what = ? AND id NOT IN (SELECT id FROM jellyfin_steps WHERE server = ? AND does = ? AND what = ? ORDER BY id DESC LIMIT ?)",
      server,
      does,
      what,
      server,
      does,
      what,
      MOST_STEPS,
    );
    const isFull = parts.some(({ part, state }) => part === "refill" && state === "done");
    if (step.does === "run_task" || !isFull) return;
    const { categories, items } = step.offer;
    state.run(
      "INSERT INTO jellyfin_offers VALUES (?, ?, ?, ?, ?) ON CONFLICT (server_id, section) DO UPDATE SET categories = excluded.categories, items = excluded.items, seen_at = excluded.seen_at",
      serverId,
      step.section,
      categories,
      items,
      now,
    );
  });
}

/** When a section was last seen to be empty after a clear of ours (ms since 1970); `null`: never. */
export function lastCleared(state: State, server: string, section: Section): number | null {
  const row = state.get(
    "SELECT max(at) AS at FROM jellyfin_steps, json_each(outcome, '$.parts') AS part WHERE server = ? AND does = 'clear' AND what = ? AND part.value ->> 'part' = 'invalidate' AND part.value ->> 'state' = 'done'",
    server,
    section,
  );
  return typeof row?.["at"] === "number" ? row["at"] : null;
}
