import { Type, type Static } from "typebox";

import type { Configuration } from "./config.ts";
import { passportDifference, type Passport, type RootState, type Since } from "./passport.ts";
import type { SeenCache } from "./scan.ts";
import { formatSeconds, parseDuration } from "./units.ts";

/** The guards that can be overridden for one run by naming them. A root that is not there cannot be allowed away. */
export const GUARDS = ["root_empty", "root_changed", "stale_ratio", "too_many", "clock_skew", "in_use"] as const;

/** A guard to pass over, for this run only. */
export const GuardName = Type.Enum([...GUARDS], { description: "A guard to pass over for this run." });
export type GuardName = Static<typeof GuardName>;

/** A reason not to go on, with its cause and what to do about it. */
export const Blocked = Type.Object(
  {
    guard: Type.String({ description: "Name of the guard." }),
    path: Type.String({ description: "The root or cache it is about." }),
    observed: Type.Union([Type.String(), Type.Number()]),
    threshold: Type.Optional(Type.Union([Type.String(), Type.Number()])),
    message: Type.String({ description: "What is wrong." }),
    advice: Type.String({ description: "What to do about this cause." }),
    override: Type.Union([Type.String(), Type.Null()], {
      description: "What to allow for one run; null: not possible.",
    }),
  },
  { additionalProperties: false },
);
export type Blocked = Static<typeof Blocked>;

/** A root as the planner met it: as it is now, and as it was when it was last planned for. */
export interface GuardedRoot {
  readonly root: string;
  readonly state: RootState;
  readonly remembered: { readonly passport: Passport; readonly since: Since } | undefined;
}

/** Guards on the roots themselves, asked before anything is judged. */
export function guardRoots(roots: readonly GuardedRoot[], allow: readonly GuardName[]): Blocked[] {
  return roots.flatMap(({ root, state, remembered }) => {
    if (state.state === "healthy") {
      const difference = remembered && passportDifference(remembered.passport, state.passport, remembered.since);
      if (difference === undefined || allow.includes("root_changed")) return [];
      return [blockedBy("root_changed", root, difference)];
    }
    if (state.state === "empty" && allow.includes("root_empty")) return [];
    return [blockedBy(`root_${state.state}`, root, state.detail)];
  });
}

/** What a plan is about to take away from one root. */
export interface Loss {
  readonly root: string;
  /** Entries the root's caches hold. */
  readonly entries: number;
  /** Of these, entries whose media is gone and was found nowhere else, if any of them would go. */
  readonly lost: number;
}

/** In a library this small the ratio says little: there only "everything is gone" is suspicious. */
const SMALL_LIBRARY = 20;

/** Guards on the amount: too much at once looks like a disk that is not there. */
export function guardLosses(
  losses: readonly Loss[],
  entries: number,
  { guards }: Configuration,
  allow: readonly GuardName[],
): Blocked[] {
  const blocked: Blocked[] = [];
  for (const { root, entries: all, lost } of losses) {
    if (lost < 2 || allow.includes("stale_ratio")) continue;
    const limit = all < SMALL_LIBRARY ? Math.max(guards.staleRatio, (all - 1) / all) : guards.staleRatio;
    if (lost / all > limit)
      blocked.push(blockedBy("stale_ratio", root, `${lost} of ${all} entries`, guards.staleRatio));
  }
  if (entries > guards.maxEntries && !allow.includes("too_many")) {
    blocked.push(blockedBy("too_many", losses[0]?.root ?? "", entries, guards.maxEntries));
  }
  return blocked;
}

/** Ages mean nothing while clock and storage disagree. */
export function guardClock(
  caches: readonly Pick<SeenCache, "cache" | "mtimeMs">[],
  now: number,
  { guards }: Configuration,
  allow: readonly GuardName[],
): Blocked[] {
  if (allow.includes("clock_skew")) return [];
  const limitSeconds = parseDuration(guards.clockSkew);
  const ahead = caches.find(({ mtimeMs }) => mtimeMs - now > limitSeconds * 1000);
  if (ahead === undefined) return [];
  const observed = `${formatSeconds((ahead.mtimeMs - now) / 1000)} ahead`;
  return [blockedBy("clock_skew", ahead.cache, observed, guards.clockSkew)];
}

const WORDS: Readonly<Record<string, readonly [message: string, advice: string]>> = {
  root_missing: [
    "this directory does not exist",
    "Check the spelling. If it is a mount, mount it: nothing is judged by a library that is not there.",
  ],
  root_unreadable: [
    "this directory cannot be read",
    "Check rights, mount and network. Nothing is judged by a library that does not answer.",
  ],
  root_not_a_directory: ["this is not a directory", "Give the directory that holds the media."],
  root_empty: [
    "this directory is empty, as a mount point is whose disk is missing",
    "Mount the disk. If the directory really is empty, there is nothing to clean.",
  ],
  root_changed: [
    "this is not the place it was when it was last looked at",
    "Another disk may be mounted here. If you moved or replaced it yourself, allow root_changed once.",
  ],
  stale_ratio: [
    "so many entries have lost their media that a disk may be missing",
    "Check that every disk of the library is mounted. If you deleted the media yourself, allow stale_ratio once.",
  ],
  too_many: [
    "the plan changes more entries than one plan may",
    "Clean one directory at a time, take at most a number of entries, or allow too_many once.",
  ],
  clock_skew: [
    "a cache was modified in the future, so clock and storage disagree",
    "Set the clocks of this host and of the storage. If only this file is wrong, allow clock_skew once.",
  ],
};

function blockedBy(guard: string, path: string, observed: string | number, threshold?: string | number): Blocked {
  const [message, advice] = WORDS[guard] ?? ["a guard stopped this", "See what was observed."];
  return {
    guard,
    path,
    observed,
    ...(threshold === undefined ? {} : { threshold }),
    message,
    advice,
    override: GUARDS.find((name) => name === guard) ?? null,
  };
}
