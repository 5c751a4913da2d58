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
  const { bytes, registeredAt, expiresAt, pinned, count } = candidates;
  const { now, maxAgeMs = Number.NaN, neededBytes } = rules;
  const expired = new Uint32Array(count);
  const overAge = new Uint32Array(count);
  const others = new Uint32Array(count);
  const sizes = { expired: 0, overAge: 0, others: 0 };
  for (let index = 0; index < count; index += 1) {
    if (pinned[index] === 1) continue;
    if (numberAt(expiresAt, index) <= now) expired[sizes.expired++] = index;
    else if (numberAt(registeredAt, index) + maxAgeMs <= now) overAge[sizes.overAge++] = index;
    else if (numberAt(bytes, index) > 0) others[sizes.others++] = index;
  }

  const indices: number[] = [];
  const reasons: EvictionReason[] = [];
  let freedBytes = 0;
  const go = (index: number, reason: EvictionReason) => {
    if (rules.isExempt(index)) return;
    indices.push(index);
    reasons.push(reason);
    freedBytes += numberAt(bytes, index);
  };
  for (const index of inOrder(candidates, expired.subarray(0, sizes.expired), expiresAt)) go(index, "expired");
  for (const index of inOrder(candidates, overAge.subarray(0, sizes.overAge), registeredAt)) go(index, "max_age");
  if (freedBytes < neededBytes) {
    for (const index of inOrder(candidates, others.subarray(0, sizes.others), rankOf(candidates, rules))) {
      go(index, "over_quota");
      if (freedBytes >= neededBytes) break;
    }
  }
  return {
    indices: Uint32Array.from(indices),
    reasons,
    freedBytes,
    missingBytes: Math.max(0, neededBytes - freedBytes),
  };
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

/** Where an item stands relative to another: below 0 before it, above 0 after it. */
type Side = (item: number) => number;

/**
 * Items by rank, then by last access, then by path. A quicksort that sorts only as far as it is read: choosing one in
 * twenty costs a fraction of sorting all. Reorders `items`.
 */
function* inOrder(candidates: Candidates, items: Uint32Array, rank: Float64Array): Generator<number> {
  const criteria = [byNumber(rank), byNumber(candidates.accessedAt), byPath(candidates)];
  const waiting = [{ from: 0, to: items.length, level: 0 }];
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    const { from, to, level } = part;
    const sideOf = criteria[level];
    if (to - from < 2 || sideOf === undefined) {
      yield* items.subarray(from, to);
    } else {
      const { less, more } = partition(items, from, to, sideOf(items[(from + to) >>> 1] ?? 0));
      waiting.push({ from: more, to, level }, { from: less, to: more, level: level + 1 }, { from, to: less, level });
    }
  }
}

function byNumber(column: Float64Array): (other: number) => Side {
  return (other) => {
    const number = numberAt(column, other);
    return (item) => (numberAt(column, item) < number ? -1 : numberAt(column, item) > number ? 1 : 0);
  };
}

function byPath(candidates: Candidates): (other: number) => Side {
  return (other) => {
    const path = candidates.pathOf(other);
    return (item) => {
      const own = candidates.pathOf(item);
      return own < path ? -1 : own > path ? 1 : 0;
    };
  };
}

/** Reorders the items from `from` to `to`: up to `less` those before, up to `more` the equal ones, then those after. */
function partition(items: Uint32Array, from: number, to: number, sideOf: Side): { less: number; more: number } {
  let less = from;
  let more = to;
  for (let place = from; place < more;) {
    const item = items[place] ?? 0;
    const side = sideOf(item);
    if (side < 0) {
      items[place++] = items[less] ?? 0;
      items[less++] = item;
    } else if (side > 0) {
      more -= 1;
      items[place] = items[more] ?? 0;
      items[more] = item;
    } else {
      place += 1;
    }
  }
  return { less, more };
}

function numberAt(column: Float64Array, index: number): number {
  return column[index] ?? Number.NaN;
}
