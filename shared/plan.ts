import { Type, type Static } from "typebox";

import { Evidence } from "./evidence.ts";
import { Attributes, Content } from "./file.ts";
import { ByProblem, Kind, Problem, Reason, Trouble } from "./finding.ts";
import { Blocked } from "./guard.ts";
import { Passport } from "./passport.ts";

const closed = { additionalProperties: false } as const;
const Nullable = Type.Union([Type.String(), Type.Null()]);

/** What a change does, in the words of table and report. */
export const Deed = Type.Enum(
  ["remove", "rehome", "rename", "migrate", "salvage", "recover", "discard", "unlock", "record", "scan", "restore"],
  {
    description:
      "remove: cut the entry; rehome: move it to the directory its media went to; rename: correct the recorded name; " +
      "migrate: drop legacy fields; salvage: keep what can be read of a damaged cache; recover: make the temp file " +
      "the cache again; discard: remove the file; unlock: release an abandoned lock; record: note a conversion; scan: note what ffprobe found; " +
      "restore: put the file back as a backup holds it.",
  },
);
export type Deed = Static<typeof Deed>;

/** One thing a plan does and why: what a person reviews. */
export const Change = Type.Object(
  {
    id: Type.Integer({ minimum: 1, description: "Number within the plan; narrowing a plan names it." }),
    does: Deed,
    kind: Kind,
    cache: Type.String(),
    entry: Nullable,
    name: Nullable,
    problem: Problem,
    reason: Reason,
    to: Type.Optional(Type.String({ description: "rehome: the cache file it goes to; rename: the right name." })),
    path: Type.Optional(Type.String({ description: "discard, unlock, recover: the file this is about." })),
    evidence: Type.Array(Evidence),
  },
  closed,
);
export type Change = Static<typeof Change>;

const Splices = Type.Array(
  Type.Object({ start: Type.Integer({ minimum: 0 }), end: Type.Integer({ minimum: 0 }), text: Type.String() }, closed),
);

/** Where the bytes of a written file come from. */
export const Source = Type.Union([
  Type.Object({ splices: Splices }, { ...closed, description: "The seen file with these spans exchanged." }),
  Type.Object({ text: Type.String() }, { ...closed, description: "This text." }),
  Type.Object({ copyOf: Type.String(), content: Content }, { ...closed, description: "The bytes of that file." }),
  Type.Object({ blob: Type.String() }, { ...closed, description: "The backup with this SHA-256." }),
]);
export type Source = Static<typeof Source>;

const common = {
  seq: Type.Integer({ minimum: 1, description: "Order of execution." }),
  file: Type.String({ description: "Real path of the file." }),
  lock: Type.String({ description: "Real path of the cache file whose lock is held meanwhile." }),
  changes: Type.Array(Type.Integer(), { description: "Ids of the changes it carries out." }),
  after: Type.Array(Type.Integer(), { description: "Actions that must have succeeded before." }),
  evidence: Type.Array(Evidence),
};

/** Everything the product can do to anyone's data. Adding to this union is the one way to let it do more. */
export const Action = Type.Union([
  Type.Object(
    {
      type: Type.Literal("write_file"),
      ...common,
      seen: Type.Union([Content, Type.Null()], { description: "What must be there now; null: nothing." }),
      source: Source,
      result: Content,
      attributes: Type.Partial(Attributes, closed),
      directoryMtimeNs: Type.Optional(Type.String({ description: "Time to give the directory back, by undo." })),
    },
    closed,
  ),
  Type.Object(
    {
      type: Type.Literal("remove_file"),
      ...common,
      seen: Content,
      directoryMtimeNs: Type.Optional(Type.String({ description: "Time to give the directory back, by undo." })),
    },
    closed,
  ),
  Type.Object({ type: Type.Literal("release_lock"), ...common }, closed),
]);
export type Action = Static<typeof Action>;

/** Something that could have been planned and was left alone, with the rule that says why. */
export const Skipped = Type.Object(
  {
    cache: Type.String(),
    entry: Nullable,
    name: Nullable,
    rule: Type.String({ description: "Why it was left alone." }),
    observed: Type.Union([Type.String(), Type.Number(), Type.Null()]),
    threshold: Type.Optional(Type.Union([Type.String(), Type.Number()])),
  },
  closed,
);
export type Skipped = Static<typeof Skipped>;

/** A cache file that a plan is about, as it was seen. */
export const PlannedCache = Type.Object(
  {
    cache: Type.String(),
    file: Type.String(),
    seen: Type.Union([Content, Type.Null()]),
  },
  closed,
);
export type PlannedCache = Static<typeof PlannedCache>;

/** What a plan adds up to. */
const Totals = Type.Object(
  {
    entries: Type.Integer({ minimum: 0, description: "Entries and leftover files it changes." }),
    caches: Type.Integer({ minimum: 0, description: "Cache files it changes." }),
    bytes: Type.Integer({ description: "Bytes it frees; negative when files grow." }),
    byProblem: ByProblem,
  },
  closed,
);

/** Whether a plan can be applied, has nothing to do, or was stopped by a guard. */
export const PlanStatus = Type.Enum(["ready", "empty", "blocked"]);
export type PlanStatus = Static<typeof PlanStatus>;

/**
 * Changes described and not made: complete, in order, each with its reason, bound to what was seen.
 *
 * `actions` are carried out exactly and once, or not at all; `changes` are the same for a reader.
 */
export const Plan = Type.Object(
  {
    version: Type.Literal(1),
    id: Type.String(),
    operation: Type.String({ description: "The operation that made it." }),
    createdAt: Type.String(),
    expiresAt: Type.String(),
    boot: Type.String({ description: "Boot id of the host that made it." }),
    status: PlanStatus,
    passports: Type.Array(Passport),
    totals: Totals,
    changes: Type.Array(Change),
    actions: Type.Array(Action),
    caches: Type.Array(PlannedCache),
    kept: ByProblem,
    skipped: Type.Array(Skipped),
    blocked: Type.Array(Blocked),
    troubles: Type.Array(Trouble),
  },
  closed,
);
export type Plan = Static<typeof Plan>;
