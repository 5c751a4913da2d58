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
  [
    "remove",
    "rehome",
    "rename",
    "migrate",
    "salvage",
    "recover",
    "discard",
    "unlock",
    "record",
    "scan",
    "restore",
    "evict",
    "delete",
    "purge",
    "compress",
    "archive",
    "warm",
  ],
  {
    description:
      "remove: cut the entry; rehome: move it to the directory its media went to; rename: correct the recorded name; " +
      "migrate: drop legacy fields; salvage: keep what can be read of a damaged cache; recover: make the temp file " +
      "the cache again; discard: remove the file; unlock: release an abandoned lock; record: note a conversion; scan: note what ffprobe found; " +
      "restore: put the file back as a backup holds it; evict: move the directory to the quarantine; " +
      "delete: remove it at once; purge: remove it from the quarantine, or a pack that is not needed any more; " +
      "compress: pack it into one file, then evict it; archive: pack it into object storage, then evict or delete it; " +
      "warm: bring a packed or archived directory back.",
  },
);
export type Deed = Static<typeof Deed>;

/** A directory of a managed cache, as its register calls it. */
export const Tracked = Type.Object(
  {
    cache: Type.String({ description: "Name of the managed cache." }),
    root: Type.String({ description: "Real path of its root." }),
    path: Type.String({ description: "The directory, relative to the root." }),
    accessedAt: Type.Union([Type.Number(), Type.Null()], {
      description: "Last use as the planner saw it (ms since 1970): later ones refuse the action. Null: not asked.",
    }),
    keepSeconds: Type.Number({ minimum: 0, description: "How long it can be put back once it is evicted." }),
  },
  closed,
);
export type Tracked = Static<typeof Tracked>;

/** Where a pack lies: a whole directory as one compressed archive. */
export const PackTarget = Type.Union([
  Type.Object({ file: Type.String({ description: "Real path." }) }, closed),
  Type.Object({ bucket: Type.String(), key: Type.String({ description: "Key in object storage." }) }, closed),
]);
export type PackTarget = Static<typeof PackTarget>;

/** What a pack holds: by it everything is verified before it is put in place. */
export const PackedTree = Type.Object(
  {
    sha256: Type.String({ description: "Digest of the tree before it was packed." }),
    bytes: Type.Integer({ minimum: 0, description: "Sum of the sizes of its files." }),
    names: Type.Integer({ minimum: 1, description: "Files, directories and links in it, with its own." }),
  },
  closed,
);
export type PackedTree = Static<typeof PackedTree>;

/** The pack that a change makes, brings back or removes. */
export const ChangedPack = Type.Object(
  {
    target: PackTarget,
    content: Type.Union([Content, Type.Null()], { description: "The pack as it is; null: this change makes it." }),
    tree: PackedTree,
    isOnlyCopy: Type.Boolean({ description: "Whether the original does not stay in the quarantine." }),
  },
  closed,
);
export type ChangedPack = Static<typeof ChangedPack>;

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
    tracked: Type.Optional(Tracked),
    pack: Type.Optional(ChangedPack),
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

const directoryCommon = {
  ...common,
  seen: Type.Object(Content.properties, { ...closed, description: "Digest of the tree and bytes of its files." }),
  tracked: Tracked,
  place: Type.String({ description: "Real path in the quarantine: where it goes, comes from, or is removed." }),
};

const packCommon = { ...common, tracked: Tracked, target: PackTarget };

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
  Type.Object({ type: Type.Literal("quarantine_directory"), ...directoryCommon }, closed),
  Type.Object({ type: Type.Literal("return_directory"), ...directoryCommon }, closed),
  Type.Object({ type: Type.Literal("remove_directory"), ...directoryCommon }, closed),
  Type.Object(
    {
      type: Type.Literal("pack_directory"),
      ...packCommon,
      seen: Type.Object(Content.properties, { ...closed, description: "Digest of the tree and bytes of its files." }),
    },
    closed,
  ),
  Type.Object(
    {
      type: Type.Literal("unpack_directory"),
      ...packCommon,
      seen: Type.Object(Content.properties, { ...closed, description: "The pack." }),
      holds: PackedTree,
      stage: Type.String({ description: "Real path in the quarantine where it is unpacked and verified first." }),
    },
    closed,
  ),
  Type.Object(
    {
      type: Type.Literal("remove_pack"),
      ...packCommon,
      seen: Type.Object(Content.properties, { ...closed, description: "The pack." }),
    },
    closed,
  ),
]);
export type Action = Static<typeof Action>;

/** An action on a whole directory of a managed cache. */
export type DirectoryAction = Extract<Action, { readonly place: unknown }>;

/** An action on the pack of a directory. */
export type PackAction = Extract<Action, { readonly target: unknown }>;

/** An action that writes or removes one file. */
export type FileAction = Extract<Action, { readonly type: "write_file" | "remove_file" }>;

/** Whether an action writes or removes one file. */
export function isFileAction(action: Action): action is FileAction {
  return action.type === "write_file" || action.type === "remove_file";
}

/** Whether an action is about a whole directory. */
export function isDirectoryAction(action: Action): action is DirectoryAction {
  return "place" in action;
}

/** Whether an action makes, unpacks or removes a pack. */
export function isPackAction(action: Action): action is PackAction {
  return "target" in action;
}

/** Bytes that a plan moves to the quarantine: freed when that is purged. */
export function quarantinedBytesOf({ actions }: { readonly actions: readonly Action[] }): number {
  return actions.reduce((sum, action) => sum + (action.type === "quarantine_directory" ? action.seen.size : 0), 0);
}

/** What stands for the cache that an action changes: its file, or the root of the managed cache. */
export function cacheOf(action: Action): string {
  return "tracked" in action ? action.tracked.root : action.lock;
}

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
