import { Type, type Static } from "typebox";

import { Change, ChangedContainer, PackedTree, PackTarget, Tracked } from "./change.ts";
import { JellyfinStep } from "./caches/jellyfin/clear-plan.ts";
import { Evidence } from "./evidence.ts";
import { Attributes, Content } from "./file.ts";
import { ByProblem, Trouble } from "./finding.ts";
import { Blocked } from "./guard.ts";
import { Passport } from "./passport.ts";

const closed = { additionalProperties: false } as const;
const Nullable = Type.Union([Type.String(), Type.Null()]);

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
  file: Type.String({ description: "Real path of the file; what lies elsewhere goes by its address." }),
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
  Type.Object({ type: Type.Literal("empty_container_cache"), ...common, container: ChangedContainer }, closed),
  Type.Object({ type: Type.Literal("ask_jellyfin"), ...common, jellyfin: JellyfinStep }, closed),
]);
export type Action = Static<typeof Action>;

/** An action on a whole directory of a managed cache. */
export type DirectoryAction = Extract<Action, { readonly place: unknown }>;

/** An action on the pack of a directory. */
export type PackAction = Extract<Action, { readonly target: unknown }>;

/** An action on what lies in a container or on a server, where nothing of it can be kept for an undo. */
export type RemoteAction = Extract<Action, { readonly type: "empty_container_cache" | "ask_jellyfin" }>;

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

/** Actions of which nothing is kept that could be put back. */
export const FOR_GOOD: ReadonlySet<Action["type"]> = new Set([
  "remove_directory",
  "remove_pack",
  "empty_container_cache",
  "ask_jellyfin",
]);

/** Whether an action is about what lies in a container or on a server. */
export function isRemoteAction(action: Action): action is RemoteAction {
  return action.type === "empty_container_cache" || action.type === "ask_jellyfin";
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
