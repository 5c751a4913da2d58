import { startCandidates } from "../../../shared/caches/managed/candidates.ts";
import type { Candidates, ManagedEntry } from "../../../shared/caches/managed/managed-store.ts";
import type { EvictionPolicy } from "../../../shared/caches/managed/settings.ts";
import type { EvictionReason, Victims } from "../../../shared/caches/managed/victims.ts";

/** What the oracle is asked. Paths of `exempt` stay. */
export interface Question {
  readonly policy: EvictionPolicy;
  readonly neededBytes: number;
  readonly now: number;
  readonly maxAgeMs: number | undefined;
  readonly refillBytesPerSecond: number;
  readonly exempt: ReadonlySet<string>;
}

/** Who goes and why, in order, and what comes of it. */
export interface Answer {
  readonly victims: readonly (readonly [path: string, reason: EvictionReason])[];
  readonly freedBytes: number;
  readonly missingBytes: number;
}

/**
 * Who should go, worked out as plainly as it can be said: everything is sorted, one after the other is asked whether
 * it may and must go. Shares nothing with the engine.
 */
export function askOracle(entries: readonly ManagedEntry[], question: Question): Answer {
  const { now, maxAgeMs, neededBytes } = question;
  const mayGo = entries.filter(({ isPinned, path }) => !isPinned && !question.exempt.has(path));
  const isExpired = ({ expiresAt }: ManagedEntry) => expiresAt !== null && expiresAt <= now;
  const isOld = ({ registeredAt }: ManagedEntry) => maxAgeMs !== undefined && now - registeredAt >= maxAgeMs;
  const expired = sorted(mayGo.filter(isExpired), ({ expiresAt }) => expiresAt ?? 0);
  const old = sorted(
    mayGo.filter((entry) => !isExpired(entry) && isOld(entry)),
    ({ registeredAt }) => registeredAt,
  );
  const others = sorted(
    mayGo.filter((entry) => !isExpired(entry) && !isOld(entry)),
    (entry) => scoreOf(entry, question),
  );
  const victims: [string, EvictionReason][] = [];
  let freedBytes = 0;
  for (const { path, bytes } of expired) {
    victims.push([path, "expired"]);
    freedBytes += bytes;
  }
  for (const { path, bytes } of old) {
    victims.push([path, "max_age"]);
    freedBytes += bytes;
  }
  for (const { path, bytes } of others) {
    if (bytes === 0 || freedBytes >= neededBytes) continue;
    victims.push([path, "over_quota"]);
    freedBytes += bytes;
  }
  return { victims, freedBytes, missingBytes: neededBytes > freedBytes ? neededBytes - freedBytes : 0 };
}

function sorted(entries: readonly ManagedEntry[], score: (entry: ManagedEntry) => number): ManagedEntry[] {
  return entries.toSorted((one, other) => {
    if (score(one) < score(other)) return -1;
    if (score(one) > score(other)) return 1;
    if (one.accessedAt !== other.accessedAt) return one.accessedAt - other.accessedAt;
    return one.path < other.path ? -1 : 1;
  });
}

function scoreOf(entry: ManagedEntry, { policy, refillBytesPerSecond }: Question): number {
  if (policy === "lru") return entry.accessedAt;
  if (policy === "lfu") return entry.accesses;
  if (policy === "fifo") return entry.registeredAt;
  if (policy === "largest") return 0 - entry.bytes;
  if (entry.refillSeconds === null) return 0 - refillBytesPerSecond;
  return entry.refillSeconds === 0 ? Number.NEGATIVE_INFINITY : 0 - entry.bytes / entry.refillSeconds;
}

/** Entries as a store hands them to the engine. */
export function candidatesOf(entries: readonly ManagedEntry[]): Candidates {
  const columns = startCandidates(0);
  for (const entry of entries) columns.add(entry);
  return columns.finish();
}

/** What the engine said, in the oracle's words. */
export function answerOf({ indices, reasons, freedBytes, missingBytes }: Victims, candidates: Candidates): Answer {
  const victims = [...indices].map((index, place) => [candidates.pathOf(index), reasons[place] ?? "expired"] as const);
  return { victims, freedBytes, missingBytes };
}
