import { dirname } from "node:path";

import { isInside } from "./anchor.ts";
import { scanDirectories } from "./caches/directory/scan.ts";
import type { Context } from "./context.ts";
import { resolveRoots } from "./library.ts";
import { inspectRoot, type RootState } from "./passport.ts";
import type { Scan } from "./scan.ts";
import { parseDuration } from "./units.ts";

/** A root of a configured library, and how it was found. */
interface SurveyedRoot {
  /** Name of the library it belongs to. */
  readonly library: string;
  readonly root: string;
  readonly state: RootState["state"];
  /** What was found instead, when it is not healthy. */
  readonly detail: string;
}

/** Everything that a face shows of the configured libraries. */
export interface Survey {
  readonly roots: readonly SurveyedRoot[];
  readonly scan: Scan;
}

/** Looks at every configured library. A root that is not healthy is reported as such; the others are scanned. */
export async function survey(context: Context): Promise<Survey> {
  const { roots, passports } = await inspectRoots(context);
  return { roots, scan: await scanDirectories(passports, context) };
}

/**
 * The survey with only these directories looked at anew. Roots are inspected again, too: what lies in one that is no
 * longer healthy stays as it was seen last. Moved media is not looked for: what is known of it is kept.
 */
export async function surveyAgain(known: Survey, directories: readonly string[], context: Context): Promise<Survey> {
  const { roots, passports } = await inspectRoots(context);
  const only = new Set(directories.filter((path) => passports.some(({ root }) => isInside(root, path))));
  const scan = await scanDirectories(passports, context, { only: [...only] });
  const isKept = (cache: string) => !only.has(dirname(cache));
  const moves = new Map(
    known.scan.found.flatMap((item) =>
      item.movedTo === undefined ? [] : [[`${item.finding.cache}\0${item.finding.entry}`, item] as const],
    ),
  );
  return {
    roots,
    scan: {
      caches: [...known.scan.caches.filter(({ cache }) => isKept(cache)), ...scan.caches],
      found: [
        ...known.scan.found.filter(({ finding }) => isKept(finding.cache)),
        ...scan.found.map((item) =>
          item.finding.problem === "orphaned"
            ? (moves.get(`${item.finding.cache}\0${item.finding.entry}`) ?? item)
            : item,
        ),
      ],
      troubles: [...known.scan.troubles.filter(({ path }) => !only.has(path)), ...scan.troubles],
    },
  };
}

async function inspectRoots(context: Context) {
  const { libraries } = context.configuration;
  if (libraries.length === 0) return { roots: [], passports: [] };
  const limit = parseDuration(context.configuration.timeLimit);
  const names = new Map<string, string>();
  for (const { name } of libraries) for (const root of await resolveRoots([name], context)) names.set(root, name);
  const inspected = await Promise.all(
    (await resolveRoots([], context)).map(async (root) => ({ root, found: await inspectRoot(root, limit) })),
  );
  return {
    roots: inspected.map(({ root, found }): SurveyedRoot => ({
      library: names.get(root) ?? root,
      root,
      state: found.state,
      detail: found.state === "healthy" ? "" : found.detail,
    })),
    passports: inspected.flatMap(({ found }) => (found.state === "healthy" ? [found.passport] : [])),
  };
}
