import { basename, resolve } from "node:path";

import type { Configuration } from "./config.ts";
import { CacheOpsError } from "./errors.ts";
import type { Run } from "./journal.ts";
import type { Deed } from "./change.ts";
import type { Plan } from "./plan.ts";
import { printable } from "./printable.ts";
import { parseDuration } from "./units.ts";
import { count } from "./view.ts";

const PHRASES: Readonly<Record<Deed, readonly [verb: string, one: string, many: string]>> = {
  remove: ["remove", "entry", "entries"],
  rehome: ["move", "entry after its media", "entries after their media"],
  rename: ["correct the name of", "entry", "entries"],
  migrate: ["drop legacy fields of", "entry", "entries"],
  salvage: ["save what can be read of", "damaged cache", "damaged caches"],
  recover: ["recover", "cache from its temp file", "caches from their temp files"],
  discard: ["discard", "file", "files"],
  unlock: ["release", "abandoned lock", "abandoned locks"],
  scan: ["note", "probe result", "probe results"],
  record: ["record", "conversion", "conversions"],
  restore: ["restore", "file from a backup", "files from a backup"],
  evict: ["evict", "directory", "directories"],
  delete: ["delete for good", "directory", "directories"],
  purge: ["purge for good", "directory from the quarantine", "directories from the quarantine"],
  compress: ["pack and evict", "directory", "directories"],
  archive: ["archive and evict", "directory", "directories"],
  warm: ["bring back", "packed directory", "packed directories"],
  empty: ["empty", "cache in an idle container", "caches in idle containers"],
  clear: ["clear", "channel cache", "channel caches"],
  refill: ["refill", "channel cache", "channel caches"],
  run_task: ["run", "cleanup task", "cleanup tasks"],
};

/**
 * The sentence that says what applying a plan does, to be repeated by whoever approves it: "remove 214 entries in 31
 * caches under movies; undo until 2026-12-05". Holds no name of a media file, and of directories only the last part.
 */
export function applySentence(
  plan: Pick<Plan, "changes" | "totals" | "passports" | "createdAt">,
  configuration: Configuration,
): string {
  const byDeed = Map.groupBy(plan.changes, ({ does }) => does);
  const deeds = [...byDeed].map(([does, changes]) => {
    const [verb, one, many] = PHRASES[does];
    return `${verb} ${count(changes.length, one, many)}`;
  });
  const where = placesOf(
    plan.passports.map(({ root }) => root),
    configuration,
    plan.changes.flatMap(({ container, jellyfin }) => container?.engine ?? jellyfin?.server ?? []),
  );
  return `${deeds.join(", ") || "change nothing"} in ${count(plan.totals.caches, "cache")} under ${where}; ${undoClause(plan, configuration)}`;
}

/** Until when a plan could be undone if it were applied when it was made (ms since 1970), or `null`: not at all. */
export function undoLimit(
  { changes, createdAt }: Pick<Plan, "changes" | "createdAt">,
  { retention }: Configuration,
): number | null {
  const undoable = changes.filter(({ does }) => !isForGood(does));
  if (undoable.length === 0 && changes.length > 0) return null;
  // What is in a pack comes back from there, however long the quarantine is.
  const kept = undoable.flatMap(({ tracked, pack }) =>
    tracked === undefined || pack?.isOnlyCopy === true ? [] : [tracked.keepSeconds],
  );
  return Date.parse(createdAt) + Math.min(parseDuration(retention.age), ...kept) * 1000;
}

function undoClause(plan: Pick<Plan, "changes" | "createdAt">, configuration: Configuration): string {
  const until = undoLimit(plan, configuration);
  if (until === null) return "cannot be undone";
  const rest = plan.changes.some(({ does }) => isForGood(does)) ? ", but not of what goes for good" : "";
  return `undo until ${dayOf(until)}${rest}`;
}

const FOR_GOOD: ReadonlySet<Deed> = new Set(["delete", "purge", "empty", "clear", "refill", "run_task"]);

function isForGood(does: Deed): boolean {
  return FOR_GOOD.has(does);
}

/** The sentence that says what undoing a run does: "put back 31 files of run-…, as they were on 2026-11-21". */
export function undoSentence({ id, report, startedAt }: Pick<Run, "id" | "report" | "startedAt">): string {
  const isOfDirectories = (report?.quarantinedBytes ?? 0) > 0;
  const [one, many] = isOfDirectories ? ["directory", "directories"] : ["file", "files"];
  const files = report === null ? "whatever files" : count(report.files, one, many);
  return `put back ${files} of ${id}, as they were on ${dayOf(startedAt)}`;
}

/** Throws `invalid_input` when a sentence was given and is not the one that says what will be done. */
export function assertAcknowledged(given: string | undefined, sentence: string): void {
  if (given === undefined || given === sentence) return;
  throw new CacheOpsError("invalid_input", "acknowledge is not the sentence that says what this would do", {
    hint: "Repeat the property acknowledge of the plan or of the run in history, word for word.",
  });
}

/** Names of libraries, managed caches, engine caches and servers, or the last component of other roots; three at most. */
function placesOf(roots: readonly string[], { libraries, managed }: Configuration, remotes: readonly string[]): string {
  const names = roots.map((root) => {
    const library = libraries.find((known) => known.roots.includes(root));
    const name = library?.name ?? managed.find((known) => resolve(known.root) === root)?.name;
    return name ?? clip(printable(basename(root) || root));
  });
  const unique = [...new Set([...names, ...remotes])];
  const more = unique.length - 3;
  return more > 0 ? `${unique.slice(0, 3).join(", ")} and ${more} more` : unique.join(", ");
}

function clip(text: string): string {
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
