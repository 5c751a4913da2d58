import { basename, dirname, join } from "node:path";

import { isInside } from "./anchor.ts";
import { CACHE_NAME } from "./caches/directory/names.ts";
import { scanDirectories } from "./caches/directory/scan.ts";
import { hasProbeFile } from "./caches/probe/database.ts";
import { nameOf } from "./caches/probe/media-audit/judge.ts";
import { mediaAuditPlaces } from "./caches/probe/media-audit/places.ts";
import { scanMediaAudit, type JudgedFile } from "./caches/probe/media-audit/scan.ts";
import type { Context } from "./context.ts";
import { resolveRoots } from "./library.ts";
import { inspectRoot, type Passport, type RootState } from "./passport.ts";
import type { Scan, SeenCache } from "./scan.ts";
import type { Trouble } from "./finding.ts";
import { parseDuration } from "./units.ts";

/** A root of a configured library, and how it was found. */
export interface SurveyedRoot {
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
  const { roots, passports } = await inspectRoots(await rootsOfLibraries(context), context);
  const scan = await scanDirectories(passports, context);
  return { roots, scan: { ...scan, caches: scan.caches.map((cache) => withoutCopies(cache, roots)) } };
}

/** The same without strings that it has of its own, because threads sent them: of 100,000 caches they are many. */
export function withoutCopies(cache: SeenCache, roots: readonly SurveyedRoot[]): SeenCache {
  const { root, file, ...rest } = cache;
  return {
    ...rest,
    kind: "directory",
    root: roots.find((known) => known.root === root)?.root ?? root,
    file: file === cache.cache ? cache.cache : file,
  };
}

/**
 * The survey with only these directories looked at anew. Roots are inspected again, too: what lies in one that is no
 * longer healthy stays as it was seen last. Moved media is not looked for: what is known of it is kept.
 */
export async function surveyAgain(known: Survey, directories: readonly string[], context: Context): Promise<Survey> {
  const { roots, passports } = await inspectRoots(await rootsOfLibraries(context), context);
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
      troubles: [...known.scan.troubles.filter((trouble) => !only.has(directoryOf(trouble))), ...scan.troubles],
    },
  };
}

/** The directory that a trouble of a scan is about: itself, or where the file lies that it names. */
export function directoryOf({ path, code }: Trouble): string {
  return code === "name_not_utf8" || basename(path) === CACHE_NAME ? dirname(path) : path;
}

/** The roots of the configured libraries, none inside another, and the name of the library that each belongs to. */
export async function rootsOfLibraries(context: Context): Promise<ReadonlyMap<string, string>> {
  const { libraries } = context.configuration;
  if (libraries.length === 0) return new Map();
  const names = new Map<string, string>();
  for (const { name } of libraries) for (const root of await resolveRoots([name], context)) names.set(root, name);
  return new Map((await resolveRoots([], context)).map((root) => [root, names.get(root) ?? root]));
}

/** Looks at roots, given with the names of their libraries; passports are of those that are in order. */
export async function inspectRoots(
  libraries: Iterable<readonly [root: string, library: string]>,
  context: Context,
): Promise<{ readonly roots: readonly SurveyedRoot[]; readonly passports: readonly Passport[] }> {
  const limit = parseDuration(context.configuration.timeLimit);
  const inspected = await Promise.all(
    Array.from(libraries, async ([root, library]) => ({ root, library, found: await inspectRoot(root, limit) })),
  );
  return {
    roots: inspected.map(({ root, library, found }): SurveyedRoot => ({
      library,
      root,
      state: found.state,
      detail: found.state === "healthy" ? "" : found.detail,
    })),
    passports: inspected.flatMap(({ found }) => (found.state === "healthy" ? [found.passport] : [])),
  };
}

/** Which caches of probe results there are: directories of media-audit's, and whether there is one of our own. */
export interface ProbeCaches {
  readonly mediaAudit: readonly string[];
  readonly hasOwn: boolean;
}

/** Finds the caches of probe results and looks into none of them. Throws as {@link mediaAuditPlaces} does. */
export async function findProbeCaches(context: Context): Promise<ProbeCaches> {
  return { mediaAudit: await mediaAuditPlaces(context), hasOwn: hasProbeFile(context) };
}

/** What an entry of media-audit's cache is about. */
interface MediaAuditSubject {
  /** Last component of the path that it records. */
  readonly name: string;
  /** Absolute path of the media, as far as that can be told. */
  readonly media: string | undefined;
}

/** Everything that a face shows of one cache of media-audit. */
export interface MediaAuditSurvey {
  readonly state: RootState["state"];
  /** What was found instead, when it is not healthy. */
  readonly detail: string;
  readonly scan: Scan;
  /** What its entries are about, by the paths of their files; those that cannot be read are missing. */
  readonly subjects: ReadonlyMap<string, MediaAuditSubject>;
}

/** Looks at one cache of media-audit (its directory, absolute). One that is not healthy is reported as such. */
export async function surveyMediaAudit(place: string, context: Context): Promise<MediaAuditSurvey> {
  const found = await inspectRoot(place, parseDuration(context.configuration.timeLimit));
  const subjects = new Map<string, MediaAuditSubject>();
  if (found.state !== "healthy") {
    return { state: found.state, detail: found.detail, scan: { caches: [], found: [], troubles: [] }, subjects };
  }
  const onJudged = async ({ entry, type, media, judgement }: JudgedFile) => {
    // What lies under another name than its key would be taken for the file of that name.
    if (entry === undefined || judgement?.reason.rule === "name_is_not_the_key") return;
    const file = join(place, type, `${entry.key}.${type === "probe" ? "pkl" : "json"}`);
    subjects.set(file, { name: nameOf(entry), media });
  };
  return {
    state: "healthy",
    detail: "",
    scan: await scanMediaAudit([found.passport], context, { onJudged }),
    subjects,
  };
}
