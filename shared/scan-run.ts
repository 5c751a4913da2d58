import { dirname } from "node:path";

import PQueue from "p-queue";

import { applyPlan } from "./apply.ts";
import { draftFill, joinDrafts, type DirectoryDraft, type ProbedFile } from "./caches/directory/fill.ts";
import { fieldsOf, probedFields } from "./caches/directory/probed-fields.ts";
import { findUnprobed, type Unprobed, type UnprobedFile } from "./caches/directory/unprobed.ts";
import { openProbeCache } from "./caches/probe/open.ts";
import type { PartialResult } from "./caches/probe/probe-cache.ts";
import { getOrProbe, type ProbeWishes } from "./caches/probe/get-or-probe.ts";
import type { Context } from "./context.ts";
import { probeConcurrency } from "./ffprobe.ts";
import { troubleFrom, type Trouble } from "./finding.ts";
import { healthyRoots } from "./roots.ts";
import type { Passport } from "./passport.ts";
import { storePlan } from "./planner.ts";
import { presenceOf } from "./presence.ts";
import { parseDuration } from "./units.ts";

/** What to scan, and how. */
export interface ScanRequest {
  readonly paths: readonly string[];
  /** Patterns of media paths below their root, as a cleanup has them. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly isRefresh: boolean;
  readonly retriesFailed: boolean;
  readonly usesCache: boolean;
  readonly isCorrected: boolean;
  /** Only look what there is to do. */
  readonly isPreview: boolean;
}

/** What a scan did. Counts of writing were measured afterwards. */
export interface ScanResult {
  media: number;
  current: number;
  probed: number;
  fromCache: number;
  written: number;
  caches: number;
  failures: { path: string; rule: string; message: string }[];
  runs: string[];
  errors: Trouble[];
}

/**
 * So many results are written in one go. What was probed is in the central cache by then, so a scan that is killed
 * loses the files it was probing and no more: the next one finds the others there.
 */
const BATCH_FILES = 10_000;

/**
 * Scans libraries: finds what the caches do not describe, probes it, and writes each cache once. Throws `unavailable`
 * when there is something to probe and no ffprobe.
 */
export async function scanLibraries(request: ScanRequest, context: Context): Promise<ScanResult> {
  const { passports, troubles } = await healthyRoots(request.paths, context);
  const unprobed = await findUnprobed(passports, request, context);
  const wanted = unprobed.directories.reduce((sum, { files }) => sum + files.length, 0);
  const result: ScanResult = {
    media: unprobed.media,
    current: unprobed.media - wanted,
    probed: 0,
    fromCache: 0,
    written: 0,
    caches: 0,
    failures: [],
    runs: [],
    errors: [...troubles, ...unprobed.troubles],
  };
  if (request.isPreview || wanted === 0) return result;
  const cache = request.usesCache ? await openProbeCache(context) : undefined;
  try {
    // From what mediabox noted the same fields can be written again, with the mistakes that are its own.
    const accepts = ({ writer }: PartialResult) => writer === "mediabox" && !request.isCorrected;
    const use = { ...request, refresh: request.isRefresh, cache, accepts };
    await fill(unprobed, wanted, use, passports, result, context);
  } finally {
    await cache?.close();
  }
  return result;
}

async function fill(
  { directories }: Unprobed,
  total: number,
  use: ProbeWishes & Pick<ScanRequest, "isCorrected">,
  passports: readonly Passport[],
  result: ScanResult,
  context: Context,
): Promise<void> {
  const files = directories.flatMap((directory) => directory.files.map((file) => ({ ...file, directory })));
  const probing = inOrder(files, probeConcurrency(context), async (file) => probeInto(result, file, use, context));
  let drafts: DirectoryDraft[] = [];
  let probed: ProbedFile[] = [];
  let done = 0;
  let pending = 0;
  for await (const [file, found] of probing) {
    done += 1;
    context.progress({ message: `probing ${file.name}`, done, total });
    if (found !== undefined) probed.push(found);
    // A cache is written once, when all files of its directory are known.
    if (files[done]?.directory === file.directory) continue;
    if (probed.length > 0) drafts.push(...(await draftOf(probed, result, context)));
    pending += probed.length;
    probed = [];
    if (pending < BATCH_FILES && done < total) continue;
    await writeDrafts(drafts, passports, result, context);
    [drafts, pending] = [[], 0];
  }
}

/** Files begun beyond the one that is waited for: a slow one holds nobody up until so many others are done. */
const AHEAD = 16;

/** Does `work` on every item, `concurrency` at a time, and yields the results in the order of the items. */
async function* inOrder<Item, Result>(
  items: readonly Item[],
  concurrency: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<readonly [Item, Result]> {
  const queue = new PQueue({ concurrency });
  const begun: Promise<readonly [Item, Result]>[] = [];
  try {
    for (const item of items) {
      const doing = queue.add(async () => [item, await work(item)] as const);
      // It is waited for below; until then its failure is nobody's surprise.
      doing.catch(() => undefined);
      begun.push(doing);
      if (begun.length < concurrency * AHEAD) continue;
      const first = begun.shift();
      if (first !== undefined) yield await first;
    }
    while (begun.length > 0) {
      const first = begun.shift();
      if (first !== undefined) yield await first;
    }
  } finally {
    queue.clear();
    await queue.onIdle();
  }
}

/** Probes one file and keeps account. A file that cannot be probed, or that changed meanwhile, is left out. */
async function probeInto(
  result: ScanResult,
  file: UnprobedFile,
  use: ProbeWishes & Pick<ScanRequest, "isCorrected">,
  context: Context,
): Promise<ProbedFile | undefined> {
  const { path, state } = file;
  const { result: probe, cached } = await getOrProbe(path, state, use, context);
  if (cached) result.fromCache += 1;
  else result.probed += 1;
  if (probe.state === "failed") {
    result.failures.push({ path, rule: probe.rule, message: probe.message });
    return undefined;
  }
  const now = await presenceOf(path, parseDuration(context.configuration.timeLimit));
  if (now.state === "present" && now.stats.size === state.size && now.stats.mtimeNs === state.mtimeNs) {
    return { ...file, probed: probe.state === "partial" ? fieldsOf(probe.values) : probedFields(probe.data, use) };
  }
  if (now.state === "unknown") {
    result.errors.push({ path, code: now.errno, message: "cannot look at this file; it was not noted" });
    return undefined;
  }
  result.errors.push({ path, code: "changing", message: "was written while it was probed: the next scan takes it" });
  return undefined;
}

async function draftOf(
  files: readonly ProbedFile[],
  { errors }: ScanResult,
  { now }: Context,
): Promise<DirectoryDraft[]> {
  try {
    return [await draftFill(files, now())];
  } catch (error) {
    const directory = dirname(files[0]?.path ?? "");
    errors.push(troubleFrom(directory, error));
    return [];
  }
}

async function writeDrafts(
  drafts: readonly DirectoryDraft[],
  passports: readonly Passport[],
  result: ScanResult,
  context: Context,
): Promise<void> {
  if (drafts.length === 0) return;
  const parts = { operation: "scan", passports: [...passports], blocked: [], kept: {}, skipped: [], troubles: [] };
  const { plan } = storePlan(joinDrafts(drafts), parts, context);
  const report = await applyPlan(plan.id, undefined, context);
  result.runs.push(report.run);
  result.written += report.entries;
  result.caches += report.caches;
  result.errors.push(...report.refused.map(({ file, code, message }) => ({ path: file, code, message })));
}
