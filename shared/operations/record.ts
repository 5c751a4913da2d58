import { dirname, isAbsolute, join, resolve } from "node:path";

import { Type } from "typebox";

import { applyPlan } from "../apply.ts";
import { CACHE_NAME } from "../caches/directory/names.ts";
import { draftRecord } from "../caches/directory/record.ts";
import type { Context } from "../context.ts";
import { CacheOpsError } from "../errors.ts";
import { isInside } from "../anchor.ts";
import { assertConfined, resolveRoots } from "../library.ts";
import { defineOperation } from "../operation.ts";
import { inspectRoot, type Passport } from "../passport.ts";
import { storePlan } from "../planner.ts";
import { reportOutcome, reportSummary, ReportSummary, reportView } from "../report-view.ts";
import { parseDuration } from "../units.ts";

const PATH = { minLength: 1, maxLength: 4096, pattern: "^[^\\u0000]*$" } as const;

/** Notes a conversion in the caches. */
export const record = defineOperation({
  name: "record",
  title: "Record a conversion",
  description:
    "Notes in the cache that a media file was converted in place, became another file, or could not be converted. Undoable.",
  effect: "write",
  input: Type.Object(
    {
      media: Type.String({ ...PATH, description: "The media file that was converted (absolute)." }),
      converted: Type.Optional(
        Type.String({ ...PATH, description: "What it became (absolute). Default: converted in place." }),
      ),
      failed: Type.Optional(Type.String({ minLength: 1, description: "It could not be converted: the error." })),
      durationSeconds: Type.Optional(Type.Number({ minimum: 0, description: "How long the conversion took." })),
    },
    { additionalProperties: false },
  ),
  positional: "media",
  output: ReportSummary,
  async run({ media, converted, failed, durationSeconds }, context) {
    if (failed !== undefined && converted !== undefined) {
      throw new CacheOpsError("invalid_input", "a conversion cannot both have failed and have a result", {
        hint: "Give either converted or failed.",
      });
    }
    const source = absolute(media);
    const target = failed === undefined ? absolute(converted ?? media) : undefined;
    const files = target === undefined ? [source] : [source, target];
    // The caches beside them, too: they may be links.
    await assertConfined([...files, ...files.map((file) => join(dirname(file), CACHE_NAME))], context);
    const passports = await passportsFor(
      [dirname(source), ...(target === undefined ? [] : [dirname(target)])],
      context,
    );
    const draft = await draftRecord(
      { media: source, converted: target, error: failed, durationSeconds },
      context.now(),
    );
    const parts = { operation: "record", passports, blocked: [], kept: {}, skipped: [], troubles: [] };
    const { plan } = storePlan(draft, parts, context);
    return reportSummary(await applyPlan(plan.id, undefined, context), undefined);
  },
  outcome: reportOutcome,
  view: reportView,
});

function absolute(path: string): string {
  if (isAbsolute(path)) return resolve(path);
  throw new CacheOpsError("invalid_input", `"${path}" is not an absolute path`, { hint: "Give the whole path." });
}

/** The roots the directories lie in: those of configured libraries that hold them, else the directories themselves. */
async function passportsFor(directories: readonly string[], context: Context): Promise<Passport[]> {
  const { libraries } = context.configuration;
  const configured = libraries.length === 0 ? [] : await resolveRoots([], context);
  const roots = directories.map((directory) => configured.find((root) => isInside(root, directory)) ?? directory);
  const limit = parseDuration(context.configuration.timeLimit);
  return Promise.all(
    [...new Set(roots)].map(async (root) => {
      const found = await inspectRoot(root, limit);
      if (found.state === "healthy") return found.passport;
      throw new CacheOpsError(found.state === "missing" ? "not_found" : "blocked", `${root} is ${found.state}`, {
        hint: "Check the path, and that its disk is mounted.",
      });
    }),
  );
}
