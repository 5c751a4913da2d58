import { Type } from "typebox";

import { Trouble } from "../finding.ts";
import { defineOperation } from "../operation.ts";
import { printable } from "../printable.ts";
import { scanLibraries } from "../scan-run.ts";
import { count } from "../view.ts";
import { Exclude, Include, Paths } from "./input.ts";

const Flag = (description: string) => Type.Optional(Type.Boolean({ description }));
const Count = (description: string) => Type.Integer({ minimum: 0, description });

/** A file that is being written is not missing: the next scan takes it. */
const CHANGING = "changing";

/** Fills the caches of media directories. */
export const scan = defineOperation({
  name: "scan",
  title: "Scan media",
  description:
    "Probes new and changed media and notes what ffprobe finds in mediabox's caches, as mediabox would. Undoable.",
  effect: "write",
  input: Type.Object(
    {
      paths: Paths,
      include: Include,
      exclude: Exclude,
      refresh: Flag("Probe everything again."),
      retryFailed: Flag("Probe again what failed before."),
      noCache: Flag("Do not use the probe cache."),
      corrected: Flag("Note true bit depth and HDR where mediabox is wrong."),
      preview: Flag("Only count what would be probed."),
    },
    { additionalProperties: false },
  ),
  positional: "paths",
  output: Type.Object(
    {
      media: Count("Media files that were looked at."),
      current: Count("Of these, files whose cache describes them as they are."),
      probed: Count("Files that ffprobe looked into."),
      fromCache: Count("Files whose result the central cache had."),
      written: Count("Entries that were written."),
      caches: Count("Cache files that were written."),
      failures: Type.Array(
        Type.Object(
          { path: Type.String(), rule: Type.String(), message: Type.String() },
          { additionalProperties: false },
        ),
        { description: "Files that cannot be probed. They are not tried again until they change." },
      ),
      runs: Type.Array(Type.String(), { description: "Runs that wrote; each can be undone." }),
      errors: Type.Array(Trouble, { description: "What was left out, and why." }),
    },
    { additionalProperties: false },
  ),
  rows: "failures",
  run: async (input, context) =>
    scanLibraries(
      {
        paths: input.paths ?? [],
        include: input.include ?? [],
        exclude: input.exclude ?? [],
        isRefresh: input.refresh === true,
        retriesFailed: input.retryFailed === true,
        usesCache: input.noCache !== true,
        isCorrected: input.corrected === true,
        isPreview: input.preview === true,
      },
      context,
    ),
  outcome: ({ errors }) => (errors.some(({ code }) => code !== CHANGING) ? "partial" : "ok"),
  view: ({ media, current, probed, fromCache, written, caches, failures, runs, errors }) => ({
    title:
      runs.length > 0
        ? `${count(written, "entry", "entries")} written to ${count(caches, "cache")}.`
        : media === current + failures.length
          ? "Every cache is up to date."
          : `${count(media - current, "file")} to probe. Nothing was written.`,
    facts: [
      ["Media files", String(media)],
      ["Up to date", String(current)],
      ["Probed", String(probed)],
      ["From the central cache", String(fromCache)],
      ["Not to be probed", String(failures.length)],
    ],
    table: {
      columns: ["File", "Rule", "What ffprobe says"],
      rows: failures.map(({ path, rule, message }) => [printable(path), rule, printable(message)]),
    },
    notes: [
      ...errors.map(({ path, message }) => `${printable(path)}: ${printable(message)}`),
      ...runs.map((run) => `\`cache-ops undo ${run}\` takes it back.`),
    ],
  }),
});
