import { Type, type Static } from "typebox";

const closed = { additionalProperties: false } as const;
const Nullable = Type.Union([Type.String(), Type.Null()]);
const Count = Type.Integer({ minimum: 0 });

/** A piece of work that hosts share. */
export const ClusterJob = Type.Object(
  {
    schedule: Type.String(),
    part: Type.String({ description: "The directory it is about; empty: all of it, still to be divided." }),
    state: Type.Enum(["waiting", "active", "completed", "failed"]),
    host: Type.Union([Type.String(), Type.Null()], { description: "Who works or worked on it." }),
    attempts: Type.Integer({ minimum: 0, description: "How often it was begun: more than once after a take-over." }),
    outcome: Nullable,
    reason: Nullable,
  },
  closed,
);
export type ClusterJob = Static<typeof ClusterJob>;

/** What the hosts that share work are doing, as this host last saw it. */
export const ClusterStatus = Type.Object(
  {
    hosts: Type.Array(
      Type.Object(
        { host: Type.String(), isAlive: Type.Boolean(), since: Type.String({ description: "ISO 8601." }) },
        closed,
      ),
    ),
    waiting: Count,
    active: Count,
    completed: Count,
    failed: Count,
    jobs: Type.Array(ClusterJob, { description: "Active and waiting ones, then the latest that ended." }),
    trouble: Type.Union([Type.String(), Type.Null()], { description: "Why Redis cannot be asked." }),
  },
  closed,
);
export type ClusterStatus = Static<typeof ClusterStatus>;
