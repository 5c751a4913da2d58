import { resolve } from "node:path";

import type { Context } from "../../../context.ts";
import { isProbeData } from "../../../ffprobe.ts";
import type { Passport } from "../../../passport.ts";
import type { ProbeCache } from "../probe-cache.ts";
import { makeTally, type Imported, type ImportOutcome } from "../tally.ts";
import { scanMediaAudit, type JudgedFile } from "./scan.ts";

/**
 * Brings media-audit's probe results into the central cache, without probing: those that describe their media as it is
 * now, to the last bit of its time, with the age they have. They are ffprobe's own answers, and so whole. Only writes
 * the central cache.
 *
 * Its entries of directories hold no probe results and are counted as not usable.
 */
export async function importMediaAudit(
  passports: readonly Passport[],
  cache: ProbeCache,
  context: Context,
): Promise<Imported> {
  const tally = makeTally("media-audit");
  const onJudged = async (file: JudgedFile) => tally.count(await takeOne(file, cache, context));
  const { caches, found, troubles } = await scanMediaAudit(passports, context, { onJudged });
  for (const { finding, path } of found) if (finding.entry === null && path === undefined) tally.count(finding.reason);
  return tally.result(caches.length, troubles);
}

async function takeOne(
  { type, entry, media, presence, judgement }: JudgedFile,
  cache: ProbeCache,
  { now }: Context,
): Promise<ImportOutcome> {
  if (judgement !== undefined) return { rule: judgement.reason.rule };
  if (type === "scan") return { rule: "entry_of_a_directory" };
  if (entry === undefined || media === undefined || presence?.state !== "present") return { rule: "media_unknown" };
  if (!isProbeData(entry.data)) return { rule: "not_an_answer_of_ffprobe" };
  // With `..` in it, the path leads where links say; ours are written without.
  if (media.split("/").includes("..")) return { rule: "path_with_dots" };
  const path = resolve(media);
  const known = await cache.peek(path, presence.stats);
  if (known?.result.state === "probed") return "alreadyThere";
  const at = Math.min(Math.max(0, Math.round(entry.cacheTime * 1000)), now());
  await cache.set(path, presence.stats, { state: "probed", data: entry.data }, { origin: "media-audit", at });
  return "imported";
}
