import { readdir } from "node:fs/promises";
import { join } from "node:path";

import { isSkippedDirectory } from "./caches/directory/media.ts";
import { mediaAuditPlaces } from "./caches/probe/media-audit/places.ts";
import type { Context } from "./context.ts";
import { errnoOf } from "./errors.ts";
import type { Trouble } from "./finding.ts";
import { resolveRoots } from "./library.ts";
import { healthyAmong } from "./roots.ts";
import type { Schedule } from "./schedule-settings.ts";
import { withTimeLimit } from "./time-limit.ts";
import { parseDuration } from "./units.ts";
import type { LibraryPart } from "./walk.ts";

/** A piece of a schedule's work that one host does alone. */
export interface WorkPart {
  /** Names it: the directory it is about, `media-audit`, or empty for all of the work. */
  readonly label: string;
  /** What must not be worked on by two hosts at a time. */
  readonly territory: string;
  /** Put over the schedule's own input. */
  readonly input: Readonly<Record<string, unknown>>;
  readonly part: LibraryPart | undefined;
}

/** The work of a schedule in parts, and libraries that are not in order and therefore left out. */
export interface DividedWork {
  readonly parts: readonly WorkPart[];
  readonly troubles: readonly Trouble[];
}

const DIVISIBLE: readonly string[] = ["check", "scan", "cleanup"];

/**
 * Divides the work of a schedule by the directories right below the roots, so that several hosts can share it. What
 * cannot be divided is one part. Empty directories are left out: there is nothing to do, or their disk is missing.
 * With `label` only the part of that name is returned, or none.
 *
 * Throws as {@link resolveRoots} does.
 */
export async function divideWork(
  { operation, input }: Pick<Schedule, "operation" | "input">,
  context: Context,
  label?: string,
): Promise<DividedWork> {
  const isWanted = (part: string) => label === undefined || label === part;
  const { paths = [], kind } = input as { readonly paths?: readonly string[]; readonly kind?: readonly string[] };
  if (!DIVISIBLE.includes(operation) || (kind !== undefined && !kind.includes("directory"))) {
    const whole = { label: "", territory: `all of ${operation}`, input: {}, part: undefined };
    return { parts: [whole].filter((part) => isWanted(part.label)), troubles: [] };
  }
  const isScan = operation === "scan";
  const parts: WorkPart[] = [];
  const wantsProbe = !isScan && (kind?.includes("probe") ?? paths.length === 0);
  if (wantsProbe && isWanted(MEDIA_AUDIT) && (await mediaAuditPlaces(context)).length > 0) {
    const only = { kind: ["probe"], paths: [] };
    parts.push({ label: MEDIA_AUDIT, territory: MEDIA_AUDIT, input: only, part: undefined });
  }
  if (context.configuration.libraries.length === 0 && paths.length === 0) return { parts, troubles: [] };
  const { passports, troubles } = await healthyAmong(await resolveRoots(paths, context), false, context);
  const limit = parseDuration(context.configuration.timeLimit);
  for (const { root } of passports) {
    for (const part of await partsOf(root, isScan, limit, isWanted)) {
      const { directory } = part;
      parts.push({ label: directory, territory: directory, input: isScan ? {} : { kind: ["directory"] }, part });
    }
  }
  return { parts, troubles };
}

/** The part that is media-audit's cache, which lies in no library. */
const MEDIA_AUDIT = "media-audit";

async function partsOf(
  root: string,
  isScan: boolean,
  timeLimitSeconds: number,
  isWanted: (label: string) => boolean,
): Promise<LibraryPart[]> {
  const entries = await withTimeLimit(() => readdir(root, { withFileTypes: true }), timeLimitSeconds, root);
  const directories = entries.filter((entry) => entry.isDirectory());
  const parts: LibraryPart[] = [];
  if (directories.length < entries.length && isWanted(root)) parts.push({ directory: root, isDeep: false });
  for (const { name } of directories.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const directory = join(root, name);
    if (name.includes(NOT_UTF8) || (isScan && isSkippedDirectory(name)) || !isWanted(directory)) continue;
    if (!(await isEmpty(directory, timeLimitSeconds))) parts.push({ directory, isDeep: true });
  }
  return parts;
}

/** One that cannot be read is not empty: whoever works on it reports that. */
async function isEmpty(directory: string, timeLimitSeconds: number): Promise<boolean> {
  try {
    return (await withTimeLimit(() => readdir(directory), timeLimitSeconds, directory)).length === 0;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}

/** What stands for bytes that are no UTF-8: such names are kept and not looked into. */
const NOT_UTF8 = "\ufffd";
