import { readInOrder } from "./in-order.ts";
import type { Candidates } from "./managed-store.ts";
import type { EvictionPolicy } from "./settings.ts";

/** Why a directory goes: its TTL has passed, it was registered too long ago, or room is needed and it is its turn. */
export type EvictionReason = "expired" | "max_age" | "over_quota";

/** What decides who goes. */
export interface VictimRules {
  readonly policy: EvictionPolicy;
  /** Bytes to be freed; 0 or less: none. What expired and over-age directories free counts towards it. */
  readonly neededBytes: number;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Directories go so long after their registration. `undefined`: never for that. */
  readonly maxAgeMs: number | undefined;
  /** How fast content comes back where a directory does not say it; for the policy `cost`. */
  readonly refillBytesPerSecond: number;
  /** Whether a directory must stay whatever else holds. Asked at most once of each, and only of those that would go. */
  isExempt(index: number): boolean;
}

/** Who goes, in this order: what has expired, what is too old, and then by policy. */
export interface Victims {
  /** Their indices among the candidates. */
  readonly indices: Uint32Array;
  /** For each of `indices`, at the same place. */
  readonly reasons: readonly EvictionReason[];
  readonly freedBytes: number;
  /** Bytes that are needed and cannot be freed, because everything else is pinned, exempt or empty. */
  readonly missingBytes: number;
}

/**
 * Chooses the directories to evict. Expired and over-age ones all go; then, in the order of the policy (ties by last
 * access, then by path), as many as it takes to free `neededBytes` and none more. Pinned and exempt ones never go, and
 * empty ones not for room.
 *
 * Makes no object for an entry, so that it can choose among millions.
 */
export function chooseVictims(candidates: Candidates, rules: VictimRules): Victims {
  const { bytes, registeredAt, accessedAt, expiresAt, pinned, count } = candidates;
  const { now, maxAgeMs = Number.NaN, neededBytes } = rules;
  const rank = rankOf(candidates, rules);
  const ceiling = ceilingOf(candidates, rank, neededBytes);
  const [expired, overAge, near, far] = [makeList(count), makeList(count), makeList(count), makeList(count)];
  /** Sorts candidates out, but for those beyond the ceiling: of a million it is most. */
  const gather = (isFar: boolean) => {
    const others = isFar ? far : near;
    for (let index = 0; index < count; index += 1) {
      if (pinned[index] === 1) continue;
      if (numberAt(expiresAt, index) <= now) {
        if (!isFar) expired.items[expired.length++] = index;
      } else if (numberAt(registeredAt, index) + maxAgeMs <= now) {
        if (!isFar) overAge.items[overAge.length++] = index;
      } else {
        const own = numberAt(rank, index);
        const isBeyond =
          own > ceiling.rank || (own === ceiling.rank && numberAt(accessedAt, index) > ceiling.accessedAt);
        if (isBeyond === isFar && numberAt(bytes, index) > 0) others.items[others.length++] = index;
      }
    }
  };
  gather(false);

  const indices: number[] = [];
  const reasons: EvictionReason[] = [];
  let freedBytes = 0;
  const go = (index: number, reason: EvictionReason) => {
    if (rules.isExempt(index)) return;
    indices.push(index);
    reasons.push(reason);
    freedBytes += numberAt(bytes, index);
  };
  const all = ({ items, length }: List, by: Float64Array, reason: EvictionReason) =>
    readInOrder(candidates, items.subarray(0, length), by, (index) => {
      go(index, reason);
      return false;
    });
  const asNeeded = ({ items, length }: List) => {
    if (freedBytes >= neededBytes) return;
    readInOrder(candidates, items.subarray(0, length), rank, (index) => {
      go(index, "over_quota");
      return freedBytes >= neededBytes;
    });
  };
  all(expired, expiresAt, "expired");
  all(overAge, registeredAt, "max_age");
  asNeeded(near);
  if (freedBytes < neededBytes && ceiling.rank < Infinity) gather(true);
  asNeeded(far);
  return {
    indices: Uint32Array.from(indices),
    reasons,
    freedBytes,
    missingBytes: Math.max(0, neededBytes - freedBytes),
  };
}

/** Indices, in room for as many as there can be: the system gives memory only for what is written. */
interface List {
  readonly items: Uint32Array;
  length: number;
}

function makeList(room: number): List {
  return { items: new Uint32Array(room), length: 0 };
}

/** Among fewer candidates it is not worth to look for a ceiling. */
const MANY = 10_000;
const SAMPLE = 1000;
/** So much of a sample lies beyond what it shows to be enough. */
const MARGIN = 25;

/** How far in the order there is probably enough to free, as a sample shows; Infinity: all may be needed. */
function ceilingOf({ bytes, accessedAt, count }: Candidates, rank: Float64Array, neededBytes: number) {
  const none = { rank: Infinity, accessedAt: Infinity };
  if (count < MANY) return none;
  const sample = Array.from({ length: SAMPLE }, (_, place) => Math.floor(((place + 0.5) * count) / SAMPLE));
  const by = (column: Float64Array, one: number, other: number) => numberAt(column, one) - numberAt(column, other);
  sample.sort((one, other) => (rank[one] === rank[other] ? by(accessedAt, one, other) : by(rank, one, other)));
  const enough = (Math.max(0, neededBytes) / count) * SAMPLE;
  let seen = 0;
  const last = sample.findIndex((index) => (seen += numberAt(bytes, index)) >= enough);
  const index = last < 0 ? undefined : sample[last + MARGIN];
  return index === undefined ? none : { rank: numberAt(rank, index), accessedAt: numberAt(accessedAt, index) };
}

/** What a policy goes by, for each candidate: the lowest goes first. */
function rankOf(candidates: Candidates, { policy, refillBytesPerSecond }: VictimRules): Float64Array {
  const { bytes, registeredAt, accessedAt, accesses, refillSeconds } = candidates;
  switch (policy) {
    case "lru":
      return accessedAt;
    case "lfu":
      return accesses;
    case "fifo":
      return registeredAt;
    case "largest":
      return bytes.map((size) => -size);
    case "cost":
      return bytes.map((size, index) => {
        const seconds = numberAt(refillSeconds, index);
        if (Number.isNaN(seconds)) return -refillBytesPerSecond;
        return seconds > 0 ? -size / seconds : Number.NEGATIVE_INFINITY;
      });
  }
}

function numberAt(column: Float64Array, index: number): number {
  return column[index] ?? Number.NaN;
}
