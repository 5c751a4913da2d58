import { Type, type Static } from "typebox";

import { CacheOpsError, systemError, withHint } from "./errors.ts";

/** The five kinds of cache. */
export const Kind = Type.Enum(["directory", "probe", "managed", "engine", "jellyfin"], {
  description: "Which of the five kinds of cache.",
});
export type Kind = Static<typeof Kind>;

/** Problems that a cleanup may remove: together they are what "stale" means. */
export const STALE = ["orphaned", "superseded", "expired", "leftover"] as const;

/** Every problem an entry can have; `stale` ones first. */
export const PROBLEMS = [...STALE, "changed", "drifted", "corrupt", "oversize", "unreachable"] as const;

/**
 * What is wrong with an entry.
 *
 * - `orphaned`: its media is gone; `superseded`: the media has another, current entry;
 *   `expired`: past its age; `leftover`: an abandoned temp file or lock.
 * - `changed`: media there, fingerprint differs, nothing replaces the entry; `drifted`: fingerprint right, recorded
 *   name wrong; `corrupt`; `oversize`; `unreachable`: presence unknown. These are kept and reported.
 */
export const Problem = Type.Enum([...PROBLEMS], { description: "What is wrong with the entry." });
export type Problem = Static<typeof Problem>;

/** Why a finding is one: the rule that applied, what was observed and the limit it was held against. */
export const Reason = Type.Object(
  {
    rule: Type.String({ description: "Name of the rule that applied." }),
    observed: Type.Union([Type.String(), Type.Number(), Type.Null()], { description: "What was seen." }),
    threshold: Type.Optional(Type.Union([Type.String(), Type.Number()], { description: "The limit, if any." })),
  },
  { additionalProperties: false },
);
export type Reason = Static<typeof Reason>;

/** An entry, its problem and the reason. A finding about the cache file itself has `entry` and `name` null. */
export const Finding = Type.Object(
  {
    kind: Kind,
    cache: Type.String({ description: "Absolute path of the cache file." }),
    entry: Type.Union([Type.String(), Type.Null()], { description: "Key of the entry; null: the file itself." }),
    name: Type.Union([Type.String(), Type.Null()], { description: "Name of the media file as the entry records it." }),
    problem: Problem,
    reason: Reason,
  },
  { additionalProperties: false },
);
export type Finding = Static<typeof Finding>;

/** Number of findings of each problem that occurs. */
export const ByProblem = Type.Record(Type.String(), Type.Integer({ minimum: 0 }), {
  description: "How many of each problem.",
});
export type ByProblem = Static<typeof ByProblem>;

/** Whether a cleanup may remove an entry with this problem. */
export function isStale(problem: Problem): boolean {
  return STALE.some((stale) => stale === problem);
}

/** Counts by problem, in the order of {@link PROBLEMS}; problems that do not occur are left out. */
export function countByProblem(findings: Iterable<{ readonly problem: Problem }>): ByProblem {
  const counts = new Map<Problem, number>();
  for (const { problem } of findings) counts.set(problem, (counts.get(problem) ?? 0) + 1);
  return Object.fromEntries(
    PROBLEMS.flatMap((problem) => {
      const count = counts.get(problem);
      return count === undefined ? [] : [[problem, count]];
    }),
  );
}

/** Something that could not be looked at; the rest of the work went on. */
export const Trouble = Type.Object(
  {
    path: Type.String({ description: "What could not be looked at." }),
    code: Type.String({ description: "The errno name or the rule that stopped it." }),
    message: Type.String({ description: "What it means and what to do." }),
  },
  { additionalProperties: false },
);
export type Trouble = Static<typeof Trouble>;

/** An error of one cache among others: what it was, and what to do about it. */
export function troubleOf(path: string, error: Pick<CacheOpsError, "code" | "message" | "hint">): Trouble {
  return { path, code: error.code, message: withHint(error) };
}

/** {@link troubleOf} for whatever was thrown, by the system as well. Bugs are thrown on. */
export function troubleFrom(path: string, error: unknown): Trouble {
  const known = systemError(error, path);
  if (!(known instanceof CacheOpsError)) throw error;
  return troubleOf(path, known);
}
