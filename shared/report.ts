import { Type, type Static } from "typebox";

import { Change } from "./change.ts";

const closed = { additionalProperties: false } as const;
const Nullable = Type.Union([Type.String(), Type.Null()]);

/** How a run ended. Only `complete` means that everything planned was done and verified. */
export const RunStatus = Type.Enum(["complete", "partial", "refused", "cancelled"], {
  description:
    "complete: all done and verified; partial: some refused; refused: nothing was changed; cancelled: stopped on request.",
});
export type RunStatus = Static<typeof RunStatus>;

/** A file that was left as it was, and why. */
const Refusal = Type.Object(
  {
    file: Type.String(),
    code: Type.String({ description: "The error code: stale_plan, locked, forbidden, unavailable, …" }),
    message: Type.String(),
  },
  closed,
);

/** What became of one change. */
export const Outcome = Type.Object(
  { change: Change, outcome: Type.Enum(["done", "partial", "refused", "not_tried"]), message: Nullable },
  closed,
);
export type Outcome = Static<typeof Outcome>;

/** What happened, measured afterwards. Stored with the run; asking again returns the same report. */
export const Report = Type.Object(
  {
    run: Type.String(),
    plan: Nullable,
    undoes: Type.Union([Type.String(), Type.Null()], { description: "The run that this one took back." }),
    status: RunStatus,
    startedAt: Type.String(),
    endedAt: Type.String(),
    entries: Type.Integer({ minimum: 0, description: "Entries and leftovers that were changed." }),
    caches: Type.Integer({ minimum: 0, description: "Cache files that were changed." }),
    files: Type.Integer({ minimum: 0, description: "Files that were written or removed, caches that were emptied." }),
    reclaimedBytes: Type.Integer({ description: "Bytes freed, measured; negative when files grew." }),
    quarantinedBytes: Type.Optional(
      Type.Integer({ minimum: 0, description: "Bytes moved to the quarantine: freed when it is purged." }),
    ),
    predicted: Type.Object({ entries: Type.Integer(), caches: Type.Integer(), bytes: Type.Integer() }, closed),
    refused: Type.Array(Refusal),
    notTried: Type.Integer({ minimum: 0, description: "Files that were not reached before the run was stopped." }),
    undoUntil: Type.Union([Type.String(), Type.Null()], { description: "Until when it can be taken back." }),
    outcomes: Type.Array(Outcome),
  },
  closed,
);
export type Report = Static<typeof Report>;
