import { Type } from "typebox";

import { GuardName } from "../guard.ts";
import { DURATION_PATTERN } from "../units.ts";

/** Schemas of input properties that several operations share, so that a word means the same in each. */

export const Paths = Type.Optional(
  Type.Array(Type.String({ minLength: 1, maxLength: 4096, pattern: "^[^\\u0000]*$" }), {
    description: "Names of libraries or absolute media directories. Default: all libraries.",
  }),
);

export const Kinds = Type.Optional(
  Type.Array(Type.Enum(["directory", "probe"]), {
    minItems: 1,
    description: "directory: mediabox's caches; probe: media-audit's. Default: directory; without paths both.",
  }),
);

export const AnyKinds = Type.Optional(
  Type.Array(Type.Enum(["directory", "probe", "managed"]), {
    minItems: 1,
    description: "directory: mediabox's; probe: media-audit's; managed. Default: directory; without paths all.",
  }),
);

export const ManagedName = Type.Optional(
  Type.String({
    minLength: 1,
    description: "Name of the managed cache. Default: the only one, or the one that holds an absolute path.",
  }),
);

export const ManagedPath = Type.String({
  minLength: 1,
  maxLength: 4096,
  pattern: "^[^\\u0000]*$",
  description: "The directory: relative to the root of the managed cache, or absolute.",
});

export const Include = Type.Optional(
  Type.Array(Type.String({ minLength: 1 }), {
    description: "Only media whose path below the root matches a pattern.",
  }),
);

export const Exclude = Type.Optional(
  Type.Array(Type.String({ minLength: 1 }), {
    description: "Not media whose path matches a pattern.",
  }),
);

export const Allow = Type.Optional(Type.Array(GuardName, { description: "Guards to pass over, for this run only." }));

export const Acknowledge = Type.Optional(
  Type.String({ description: "The sentence of the plan, or of the run in history, word for word." }),
);

/** Whether every change is listed. */
export const Detail = Type.Optional(
  Type.Enum(["concise", "full"], { default: "concise", description: "full: every change." }),
);

export const DurationText = (description: string) =>
  Type.Optional(Type.String({ pattern: DURATION_PATTERN, description: `${description} For example 24h or 30d.` }));

export const From = Type.Optional(
  Type.String({ minLength: 1, description: "Earlier plan, to take only some changes of." }),
);

export const Only = Type.Optional(
  Type.Array(Type.Integer({ minimum: 1 }), { description: "With from: numbers of changes." }),
);

export const Archive = Type.String({
  minLength: 1,
  maxLength: 4096,
  pattern: "^[^\\u0000]*$",
  description: "The archive: a bare name lies among the backups in the state directory, else an absolute path.",
});
