import { resolve } from "node:path";

import type { Context } from "../../../context.ts";
import { isProbeData } from "../../../ffprobe.ts";
import type { Trouble } from "../../../finding.ts";
import type { Passport } from "../../../passport.ts";
import { probeFileOf } from "../database.ts";
import { openProbeCache } from "../open.ts";
import type { ProbeCache } from "../probe-cache.ts";
import { openProbeStore, type ProbeStore } from "../store.ts";
import { scanMediaAudit, type JudgedFile } from "./scan.ts";

/** What an import did. */
export interface Imported {
  /** Entries that were looked at. */
  readonly entries: number;
  readonly imported: number;
  readonly alreadyThere: number;
  /** Entries that cannot be taken over, by the rule that says why. */
  readonly unusable: Record<string, number>;
  readonly errors: readonly Trouble[];
}

/**
 * Brings media-audit's probe results into the central cache, without probing: those that describe their media as it is
 * now, to the last bit of its time, with the age they have. Only writes our own store.
 *
 * Its entries of directories hold no probe results and are counted as not usable.
 */
export async function importProbes(passports: readonly Passport[], context: Context): Promise<Imported> {
  const cache = await openProbeCache(context);
  try {
    const store = openProbeStore(probeFileOf(context), context);
    try {
      return await takeOver(passports, { cache, store }, context);
    } finally {
      store.close();
    }
  } finally {
    await cache.close();
  }
}

interface Stores {
  readonly cache: ProbeCache;
  /** The same rows, to look without being counted as somebody who asks. */
  readonly store: ProbeStore;
}

async function takeOver(passports: readonly Passport[], stores: Stores, context: Context): Promise<Imported> {
  const tally = { imported: 0, alreadyThere: 0 };
  const reasons = new Map<string, number>();
  const count = (rule: string) => void reasons.set(rule, (reasons.get(rule) ?? 0) + 1);
  const onJudged = async (file: JudgedFile) => {
    const outcome = await takeOne(file, stores, context);
    if (outcome === "imported" || outcome === "alreadyThere") tally[outcome] += 1;
    else count(outcome.rule);
  };
  const { caches, found, troubles } = await scanMediaAudit(passports, context, { onJudged });
  for (const { finding, path } of found) if (finding.entry === null && path === undefined) count(finding.reason.rule);
  return { entries: caches.length, ...tally, unusable: Object.fromEntries(reasons), errors: troubles };
}

async function takeOne(
  { type, entry, media, presence, judgement }: JudgedFile,
  { cache, store }: Stores,
  { now }: Context,
): Promise<"imported" | "alreadyThere" | { readonly rule: string }> {
  if (judgement !== undefined) return { rule: judgement.reason.rule };
  if (type === "scan") return { rule: "entry_of_a_directory" };
  if (entry === undefined || media === undefined || presence?.state !== "present") return { rule: "media_unknown" };
  if (!isProbeData(entry.data)) return { rule: "not_an_answer_of_ffprobe" };
  // With `..` in it, the path leads where links say; ours are written without.
  if (media.split("/").includes("..")) return { rule: "path_with_dots" };
  const path = resolve(media);
  const { size, mtimeNs } = presence.stats;
  const known = store.find(path);
  if (known?.size === size && known.mtimeNs === mtimeNs && known.result.state === "probed") return "alreadyThere";
  const at = Math.min(Math.max(0, Math.round(entry.cacheTime * 1000)), now());
  const result = { state: "probed", data: entry.data } as const;
  await cache.set(path, { size, mtimeNs }, result, { origin: "media-audit", at });
  return "imported";
}
