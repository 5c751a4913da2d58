import { randomBytes } from "node:crypto";
import { basename, join } from "node:path";

import type { Context } from "../../context.ts";
import { CacheOpsError } from "../../errors.ts";
import type { Evidence } from "../../evidence.ts";
import type { Content } from "../../file.ts";
import type { Problem, Reason, Trouble } from "../../finding.ts";
import type { Skipped } from "../../plan.ts";
import { matcher, pathFilter } from "../../policy.ts";
import type { Found } from "../../scan.ts";
import { formatBytes, formatSeconds, parseDuration } from "../../units.ts";
import { coldOf, packFor } from "./cold.ts";
import { usersOf } from "./in-use.ts";
import type { Candidates, ManagedEntry, ManagedStore } from "./managed-store.ts";
import { memberDirectory, memberPath } from "./member-path.ts";
import { seeOpenFiles, type OpenFiles } from "./open-files.ts";
import type { EvictionRequest, ManagedScene } from "./scan.ts";
import { seeTree, type SeenTree } from "./tree.ts";
import { chooseVictims, type EvictionReason } from "./victims.ts";

/** How much has to go, in bytes. */
export interface Need {
  /** From the register, so that it is down to the low watermark. */
  readonly quotaBytes: number;
  /** From the disk, so that enough of it is free. */
  readonly diskBytes: number;
  /** What the caller asked for beyond that. */
  readonly askedBytes: number;
  /** The caller wants all of it from the disk, now. */
  readonly isUrgent: boolean;
  /** Already coming free on the disk: what is purged from the quarantine. */
  readonly freedBytes: number;
}

/** Which directories go, and which would have been next but are left alone. */
export interface Choice {
  readonly found: readonly Found[];
  readonly skipped: readonly Skipped[];
  readonly troubles: readonly Trouble[];
}

/** A directory that may go: what the register says of it. */
type Victim = Pick<ManagedEntry, "path" | "bytes" | "accessedAt" | "registeredAt"> & {
  readonly why: EvictionReason | "asked_for" | "cold";
};

/**
 * Chooses the directories that go, each as it lies on the disk right now: its size is measured, and one that is kept by
 * a pattern, in use, not to be seen whole or gone is left alone, and the next one of the policy's order takes its
 * place. Pinned ones are never among them.
 */
export async function chooseDirectories(
  scene: ManagedScene,
  store: ManagedStore,
  need: Need,
  eviction: EvictionRequest,
  context: Context,
): Promise<Choice> {
  const found: Found[] = [];
  const skipped: Skipped[] = [];
  const troubles: Trouble[] = [];
  const { quotaBytes, diskBytes, askedBytes, isUrgent, freedBytes } = need;
  const wantedOfDisk = Math.max(diskBytes, isUrgent ? Math.max(askedBytes, quotaBytes) : 0) - freedBytes;
  const wanted = Math.max(quotaBytes, isUrgent ? 0 : askedBytes, wantedOfDisk);
  const look = makeLook(scene, eviction, context, troubles);
  let measured = 0;
  const take = async (victim: Victim): Promise<void> => {
    const outcome = await look(victim);
    if ("rule" in outcome) {
      skipped.push({ cache: scene.root, entry: victim.path, name: victim.path, ...outcome });
      return;
    }
    const isForGood = isUrgent || measured < wantedOfDisk || parseDuration(scene.cache.quarantine) === 0;
    measured += outcome.tree.content.size;
    found.push(
      foundOf(scene, victim, outcome, {
        isForGood,
        isDiskFull: wantedOfDisk > quotaBytes,
        allowsInUse: eviction.allowsInUse,
        archives: eviction.archives,
      }),
    );
  };
  if (eviction.paths !== undefined) {
    for (const word of eviction.paths) await take(await namedVictim(word, scene, store));
    return { found, skipped, troubles };
  }
  const candidates = await store.candidates();
  const tried = new Set<number>();
  // Each round tries at least one directory that was not tried before, so this comes to an end.
  for (;;) {
    const victims = chooseVictims(candidates, {
      ...rulesOf(scene, eviction, context.now()),
      neededBytes: wanted - measured,
      isExempt: (index) => tried.has(index),
    });
    if (victims.indices.length === 0) break;
    for (const [place, index] of victims.indices.entries()) {
      const why = victims.reasons[place] ?? "over_quota";
      if (why === "over_quota" && measured >= wanted) break;
      tried.add(index);
      await take(victimAt(candidates, index, why));
    }
  }
  if (measured < wanted) troubles.push(notEnough(scene, wanted - measured, skipped.length));
  // Packing needs room first, so not while that is what is missing.
  const cold = isUrgent || wantedOfDisk > 0 ? [] : coldOf(candidates, scene);
  for (const index of cold) if (!tried.has(index)) await take(victimAt(candidates, index, "cold"));
  return { found, skipped, troubles };
}

function rulesOf({ cache }: ManagedScene, { policy }: EvictionRequest, now: number) {
  return {
    policy: policy ?? cache.policy,
    now,
    maxAgeMs: cache.maxAge === undefined ? undefined : parseDuration(cache.maxAge) * 1000,
    refillBytesPerSecond: cache.refillBytesPerSecond,
  };
}

function victimAt(candidates: Candidates, index: number, why: Victim["why"]): Victim {
  const { bytes, accessedAt, registeredAt } = candidates;
  return {
    path: candidates.pathOf(index),
    bytes: bytes[index] ?? 0,
    accessedAt: accessedAt[index] ?? 0,
    registeredAt: registeredAt[index] ?? 0,
    why,
  };
}

async function namedVictim(word: string, { cache, realRoot }: ManagedScene, store: ManagedStore): Promise<Victim> {
  const path = memberPath(cache, word, realRoot);
  const entry = await store.get(path);
  if (entry === undefined) {
    throw new CacheOpsError("not_found", `${path} is not in the register of ${cache.name}`, {
      hint: "`register` it first, or let `reconcile` find what is there.",
    });
  }
  if (entry.isPinned) {
    throw new CacheOpsError("forbidden", `${path} is pinned`, { hint: "Release it with `pin --release`." });
  }
  return { ...entry, why: "asked_for" };
}

/** What a victim was found to be: a tree, or the rule by which it stays. */
type Look = { readonly path: string; readonly tree: SeenTree } | Pick<Skipped, "rule" | "observed" | "threshold">;

function makeLook(
  { cache, realRoot }: ManagedScene,
  { include, exclude, allowsInUse }: EvictionRequest,
  context: Context,
  troubles: Trouble[],
): (victim: Victim) => Promise<Look> {
  const isKept = matcher(cache.keep);
  const outside = pathFilter(include, exclude);
  const timeLimitSeconds = parseDuration(context.configuration.timeLimit);
  let openFiles: OpenFiles | undefined;
  return async ({ path }) => {
    const outsideBy = outside(path);
    if (outsideBy !== undefined) return { rule: outsideBy, observed: path };
    if (isKept(path)) return { rule: "kept_by_configuration", observed: path };
    try {
      const directory = await memberDirectory(realRoot, memberPath(cache, path, realRoot), context);
      const tree = await seeTree(directory, context);
      if (tree === undefined) return { rule: "not_there", observed: null };
      if (allowsInUse) return { path: directory, tree };
      if (openFiles === undefined) {
        openFiles = await seeOpenFiles([realRoot], context.signal);
        if (openFiles.blind !== undefined) {
          troubles.push({ path: realRoot, code: "open_files_hidden", message: openFiles.blind });
        }
      }
      const { signal } = context;
      const settleSeconds = parseDuration(cache.settle);
      const options = { openFiles, settleSeconds, now: context.now(), signal, timeLimitSeconds };
      const [use] = await usersOf(directory, tree.measurement, options);
      if (use !== undefined) return { rule: use.rule, observed: use.by, threshold: cache.settle };
      return { path: directory, tree };
    } catch (error) {
      if (!(error instanceof CacheOpsError) || error.code === "interrupted") throw error;
      return { rule: error.code, observed: error.message };
    }
  };
}

function foundOf(
  scene: ManagedScene,
  victim: Victim,
  { path, tree }: Extract<Look, { readonly path: string }>,
  how: {
    readonly isForGood: boolean;
    readonly isDiskFull: boolean;
    readonly allowsInUse: boolean;
    readonly archives: boolean;
  },
): Found {
  const { cache, root, quarantine } = scene;
  const reason = reasonOf(victim, scene, how.isDiskFull);
  const problem: Problem = EXPIRED.has(victim.why) ? "expired" : "oversize";
  const pack = packFor(victim.path, tree, scene, { ...how, isCold: victim.why === "cold" });
  return {
    finding: { kind: "managed", cache: root, entry: victim.path, name: victim.path, problem, reason },
    root,
    evidence: [
      treeEvidence(path, tree.content),
      ...(how.allowsInUse ? [] : [{ path, expect: "unused" as const, settleSeconds: parseDuration(cache.settle) }]),
    ],
    lastSeen: victim.accessedAt,
    path,
    place: join(quarantine, quarantineName(victim.path)),
    isForGood: how.isForGood,
    tracked: trackedOf(scene, victim.path, victim.accessedAt),
    ...(pack === undefined ? {} : { pack }),
    media: victim.path,
  };
}

const EXPIRED: ReadonlySet<Victim["why"]> = new Set(["expired", "max_age", "cold"]);

/** The evidence that a tree lies at a path. */
export function treeEvidence(path: string, { sha256, size }: Content): Evidence {
  return { path, expect: "tree", sha256, bytes: size };
}

/** What a managed cache calls one of its directories. */
export function trackedOf({ cache, realRoot }: ManagedScene, path: string, accessedAt: number | null) {
  return { cache: cache.name, root: realRoot, path, accessedAt, keepSeconds: parseDuration(cache.quarantine) };
}

function reasonOf({ why, accessedAt, registeredAt }: Victim, scene: ManagedScene, isDiskFull: boolean): Reason {
  const { cache, totals, now } = scene;
  const unused = `unused for ${formatSeconds(Math.max(0, (now - accessedAt) / 1000))}`;
  switch (why) {
    case "expired":
      return { rule: "ttl", observed: unused, ...(cache.ttl === undefined ? {} : { threshold: cache.ttl }) };
    case "max_age": {
      const age = `registered ${formatSeconds(Math.max(0, (now - registeredAt) / 1000))} ago`;
      return { rule: "max_age", observed: age, ...(cache.maxAge === undefined ? {} : { threshold: cache.maxAge }) };
    }
    case "cold": {
      const { compressAfter } = cache;
      return { rule: "cold", observed: unused, ...(compressAfter === undefined ? {} : { threshold: compressAfter }) };
    }
    case "asked_for":
      return { rule: "asked_for", observed: unused };
    case "over_quota": {
      const { maxBytes, highWatermark } = cache;
      if (isDiskFull || maxBytes === undefined || totals.bytes <= maxBytes * highWatermark) {
        return roomReason(scene, `, ${unused}`);
      }
      const observed = `${formatBytes(totals.bytes)} used, ${unused}`;
      return { rule: "over_quota", observed, threshold: formatBytes(maxBytes * highWatermark) };
    }
  }
}

/** Why something goes for good before its time: the disk is fuller than it may be, or room was asked for. */
export function roomReason({ cache: { minFreeBytes }, freeBytes }: ManagedScene, also = ""): Reason {
  const observed = `${formatBytes(freeBytes)} of the disk free${also}`;
  return minFreeBytes !== undefined && freeBytes < minFreeBytes
    ? { rule: "disk_full", observed, threshold: formatBytes(minFreeBytes) }
    : { rule: "room_asked_for", observed };
}

function notEnough({ root, totals }: ManagedScene, bytes: number, left: number): Trouble {
  const rest = `${totals.pinned} pinned, ${left} left alone`;
  return {
    path: root,
    code: "not_enough",
    message: `${formatBytes(bytes)} more should go, but there is nothing else that may (${rest})`,
  };
}

/** A name of our own in the quarantine that still says whose it is. */
function quarantineName(path: string): string {
  const random = randomBytes(4).toString("hex");
  const name = Buffer.from(basename(path))
    .subarray(0, 200)
    .toString("utf8")
    .replace(/\uFFFD+$/, "");
  return `${random}-${name}`;
}
