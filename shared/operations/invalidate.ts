import { Type } from "typebox";

import { forget, type Forgotten } from "../caches/probe/forget.ts";
import { quarantineStore } from "../caches/probe/quarantine.ts";
import { CacheOpsError } from "../errors.ts";
import { resolveRoots } from "../library.ts";
import { defineOperation } from "../operation.ts";
import { printable } from "../printable.ts";
import { formatBytes, parseDuration } from "../units.ts";
import { count } from "../view.ts";
import { DurationText } from "./input.ts";

const NOTHING_FORGOTTEN: Forgotten = { entries: 0, bytes: 0, shared: "none" };

/** Forgets results of our own probe cache: at once, because nothing but time is lost. */
export const invalidate = defineOperation({
  name: "invalidate",
  title: "Forget probe results",
  description:
    "Forgets results of the probe cache - all, by path, pattern, age, state or schema - so that they are probed again. Touches no cache of another program.",
  effect: "write",
  isExtraTool: true,
  input: Type.Object(
    {
      paths: Type.Optional(
        Type.Array(Type.String({ minLength: 1, maxLength: 4096, pattern: "^[^\\u0000]*$" }), {
          minItems: 1,
          description: "Only of these media files and directories (absolute), or libraries by name.",
        }),
      ),
      match: Type.Optional(
        Type.Array(Type.String({ minLength: 1 }), {
          minItems: 1,
          description:
            "Only where the absolute path (without / in the pattern: the name) matches one of these patterns.",
        }),
      ),
      state: Type.Optional(
        Type.Enum(["probed", "failed", "partial"], {
          description: "Only results, only failures, or only what another program noted a part of.",
        }),
      ),
      olderThan: DurationText("Only what was probed longer ago."),
      otherSchema: Type.Optional(Type.Boolean({ description: "Only what another version of the schema wrote." })),
      all: Type.Optional(Type.Boolean({ description: "Everything." })),
      damaged: Type.Optional(
        Type.Boolean({
          description: "Move a damaged probe cache aside and start a new one with every row that can be read.",
        }),
      ),
      dryRun: Type.Optional(Type.Boolean({ description: "Only say what would be forgotten." })),
    },
    { additionalProperties: false },
  ),
  positional: "paths",
  output: Type.Object(
    {
      dryRun: Type.Boolean({ description: "Whether nothing was changed." }),
      entries: Type.Integer({ description: "Results forgotten." }),
      bytes: Type.Integer({ description: "Bytes they took." }),
      shared: Type.Enum(["none", "forgotten", "unreachable"], { description: "The copies in Redis." }),
      damage: Type.Array(Type.String(), { description: "With damaged: what was wrong." }),
      movedTo: Type.Union([Type.String(), Type.Null()], { description: "With damaged: where the old file is now." }),
      kept: Type.Integer({ description: "With damaged: results taken over into the new one." }),
    },
    { additionalProperties: false },
  ),
  async run({ paths, match, state, olderThan, otherSchema, all, damaged, dryRun }, context) {
    const isDry = dryRun === true;
    const isChosen = [paths, match, state, olderThan].some((given) => given !== undefined) || otherSchema === true;
    if (Number(isChosen) + Number(all === true) + Number(damaged === true) !== 1) {
      throw new CacheOpsError("invalid_input", "it is not clear what to forget", {
        hint: "Choose by paths, match, state, olderThan or otherSchema; or say all; or damaged.",
      });
    }
    if (damaged === true) {
      const { damage, ...rest } = quarantineStore(context, isDry);
      return { dryRun: isDry, ...NOTHING_FORGOTTEN, ...rest, damage: [...damage] };
    }
    const isConfined = context.bounds?.confined === true;
    const choice = {
      within: paths !== undefined || isConfined ? await resolveRoots(paths ?? [], context) : undefined,
      match,
      state,
      olderThanSeconds: olderThan === undefined ? undefined : parseDuration(olderThan),
      otherSchema: otherSchema === true,
    };
    return { dryRun: isDry, ...(await forget(choice, isDry, context)), damage: [], movedTo: null, kept: 0 };
  },
  outcome: ({ shared }) => (shared === "unreachable" ? "partial" : "ok"),
  view({ dryRun, entries, bytes, shared, damage, movedTo, kept }) {
    const moved =
      movedTo === null ? [] : [["Moved aside", printable(movedTo)] as const, ["Kept", String(kept)] as const];
    return {
      title: dryRun
        ? `${count(entries, "result")} would be forgotten. Nothing was changed.`
        : `${count(entries, "result")} forgotten.`,
      facts: [["Size", formatBytes(bytes)], ...moved],
      table: {
        columns: ["What", "Value"],
        rows: [
          ["Results", entries],
          ["Bytes", bytes],
        ],
      },
      notes: [
        ...damage.map((text) => printable(text)),
        ...(shared === "unreachable" ? ["Redis did not answer: its copies are still there. Try again later."] : []),
      ],
    };
  },
});
