import { lstat, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";

import type { ChangeDraft } from "../../draft.ts";
import { errnoOf } from "../../errors.ts";
import { readIfThere, readSeenFile } from "../../file.ts";
import type { Found, Scan, SeenCache } from "../../scan.ts";
import { readDocument } from "./document.ts";
import { membersByKey } from "./entry.ts";
import { LEGACY_FIELDS } from "./entry-edit.ts";
import { readEntry } from "./entry.ts";
import { MEDIABOX_TEMP_NAME } from "./names.ts";
import { salvage } from "./salvage.ts";

/** What a cleanup does about a stale entry: cut it, or move it along with its media; leftovers go as files. */
export function cleanupChange({ finding, evidence, movedTo, path }: Found): ChangeDraft {
  const change = { ...finding, evidence: [...evidence] };
  if (path !== undefined) return { ...change, path, does: finding.reason.rule === "our_lock" ? "unlock" : "discard" };
  return movedTo === undefined ? { ...change, does: "remove" } : { ...change, does: "rehome", to: movedTo };
}

/** What a repair does about a damaged or outdated cache, or why nothing can be done. */
export async function repairChange({ finding, evidence }: Found): Promise<ChangeDraft | { readonly rule: string }> {
  const change = { ...finding, evidence: [...evidence] };
  const { rule, observed } = finding.reason;
  if (rule === LEGACY_RULE) return { ...change, does: "migrate" };
  if (finding.problem === "drifted") return { ...change, does: "rename", to: String(observed) };
  if (finding.entry !== null) return { ...change, does: "remove" };
  if (rule === "not_a_readable_file") return { rule: "cannot_be_read" };
  const recovering = rule === "only_temp_file";
  const path = recovering ? join(dirname(finding.cache), MEDIABOX_TEMP_NAME) : finding.cache;
  try {
    const { bytes } = await readSeenFile(await realpath(path));
    const usable = "spans" in readDocument(bytes) || salvage(bytes) !== undefined;
    if (recovering) return usable ? { ...change, path, does: "recover" } : { ...change, path, does: "discard" };
    if (usable) return { ...change, does: "salvage" };
    // Removing what a link leads to would leave a link that leads nowhere.
    return (await lstat(path)).isSymbolicLink() ? { rule: "cache_is_a_link" } : { ...change, path, does: "discard" };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    return { rule: errno };
  }
}

/** The rule of entries in the older format, reported only when a migration is asked for. */
const LEGACY_RULE = "legacy_format";

/** Entries of the older format in these caches, as findings. They work; only a migration concerns them. */
export async function findLegacy({ caches }: Scan): Promise<Found[]> {
  const found: Found[] = [];
  for (const seen of caches) found.push(...(await legacyIn(seen)));
  return found;
}

async function legacyIn({ cache, file, root }: SeenCache): Promise<Found[]> {
  const bytes = (await readIfThere(file))?.bytes;
  if (bytes === undefined) return [];
  const reading = readDocument(bytes);
  if ("damage" in reading) return [];
  return [...membersByKey(reading.spans).values()].flatMap(({ last }) => {
    const entry = readEntry(bytes, last);
    if (typeof entry === "string") return [];
    const legacy = LEGACY_FIELDS.filter((field) => entry.fields.members.some(({ key }) => key === field));
    if (legacy.length === 0) return [];
    const reason = { rule: LEGACY_RULE, observed: legacy.join(", ") };
    const name = entry.names[0] ?? null;
    return [
      {
        finding: { kind: "directory", cache, entry: entry.key, name, problem: "drifted", reason },
        root,
        evidence: [],
        lastSeen: entry.lastSeen,
      } satisfies Found,
    ];
  });
}
