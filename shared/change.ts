import { Type, type Static } from "typebox";

import { ContainerCleanAction } from "./caches/engine/container-action.ts";
import { JellyfinStep } from "./caches/jellyfin/clear-plan.ts";
import { Evidence } from "./evidence.ts";
import { Content } from "./file.ts";
import { Kind, Problem, Reason } from "./finding.ts";

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
    "empty",
    "clear",
    "refill",
    "run_task",
  ],
  {
    description:
      "remove: cut the entry; rehome: move it to the directory its media went to; rename: correct the recorded name; " +
      "migrate: drop legacy fields; salvage: keep what can be read of a damaged cache; recover: make the temp file " +
      "the cache again; discard: remove the file; unlock: release an abandoned lock; record: note a conversion; scan: note what ffprobe found; " +
      "restore: put the file back as a backup holds it; evict: move the directory to the quarantine; " +
      "delete: remove it at once; purge: remove it from the quarantine, or a pack that is not needed any more; " +
      "compress: pack it into one file, then evict it; archive: pack it into object storage, then evict or delete it; " +
      "warm: bring a packed or archived directory back; empty: remove the contents of a cache directory in a container; " +
      "clear: clear a channel cache of a Jellyfin server; refill: fill it again; run_task: run a cleanup task of that server.",
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

/** The cache directory of a container, of an engine cache. */
export const ChangedContainer = Type.Object(
  { engine: Type.String({ description: "Name of the engine cache." }), ...ContainerCleanAction.properties },
  closed,
);
export type ChangedContainer = Static<typeof ChangedContainer>;

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
    container: Type.Optional(ChangedContainer),
    jellyfin: Type.Optional(JellyfinStep),
    evidence: Type.Array(Evidence),
  },
  closed,
);
export type Change = Static<typeof Change>;
