import { Type } from "typebox";

import { gatherStatistics, Statistics } from "../caches/directory/statistics.ts";
import { ByProblem, countByProblem, Trouble } from "../finding.ts";
import { defineOperation } from "../operation.ts";
import { printable } from "../printable.ts";
import { formatBytes } from "../units.ts";
import { Paths } from "./input.ts";
import { look } from "./look.ts";

/** Sums up what the caches hold. */
export const stats = defineOperation({
  name: "stats",
  title: "Show statistics",
  description:
    "Sums up what the caches hold, over whole libraries: codecs, resolutions, HDR, what mediabox would convert and why, sizes, ages.",
  effect: "read",
  input: Type.Object(
    {
      paths: Paths,
      forceStereo: Type.Optional(Type.Boolean({ description: "Count as mediabox does with its option for stereo." })),
      downgradeResolution: Type.Optional(
        Type.Boolean({ description: "Count media above 1080 lines as to be converted." }),
      ),
    },
    { additionalProperties: false },
  ),
  positional: "paths",
  output: Type.Object(
    {
      caches: Type.Integer(),
      cacheBytes: Type.Integer({ description: "Size of all cache files." }),
      byProblem: ByProblem,
      ...Statistics.properties,
      errors: Type.Array(Trouble),
    },
    { additionalProperties: false },
  ),
  async run({ paths, forceStereo, downgradeResolution }, context) {
    const scan = await look(paths ?? [], context);
    const wishes = { forceStereo: forceStereo === true, downgradeResolution: downgradeResolution === true };
    return {
      caches: scan.caches.length,
      cacheBytes: scan.caches.reduce((sum, { content }) => sum + content.size, 0),
      byProblem: countByProblem(scan.found.map(({ finding }) => finding)),
      ...(await gatherStatistics(scan.caches, wishes, context)),
      errors: [...scan.troubles],
    };
  },
  outcome: () => "ok",
  view: (output) => ({
    title: `${output.totalFiles} media files in ${output.caches} caches.`,
    facts: [
      ["Cache size", formatBytes(output.cacheBytes)],
      ["Media size", formatBytes(output.mediaBytes)],
      ["HDR", String(output.hdrFiles)],
      ["To convert", String(output.needsConversion)],
      ["Inherited probe data", String(output.inheritedProbe)],
    ],
    table: {
      columns: ["What", "Value", "Files"],
      rows: [
        ...rowsOf("Video codec", output.byCodecVideo),
        ...rowsOf("Audio codec", output.byCodecAudio),
        ...rowsOf("Resolution", output.byResolution),
        ...rowsOf("HDR", output.byHdrType),
        ...rowsOf("To convert", output.needsConversionBy),
        ...rowsOf("Last written", output.byAge),
        ...rowsOf("Problem", output.byProblem),
      ],
    },
    notes: output.errors.map(({ path, message }) => `${printable(path)}: ${message}`),
  }),
});

function rowsOf(what: string, counts: Readonly<Record<string, number>>): (string | number)[][] {
  return Object.entries(counts).map(([value, files]) => [what, printable(value), files]);
}
