import { isAbsolute, resolve } from "node:path";

import { Type, type Static } from "typebox";

import { isInside } from "../../anchor.ts";
import { CacheOpsError } from "../../errors.ts";
import { DURATION_PATTERN } from "../../units.ts";

const closed = { additionalProperties: false } as const;
const Duration = (description: string) => Type.String({ pattern: DURATION_PATTERN, description });

/** The order in which directories go when room is needed. Ties of every policy go by last access, oldest first. */
export const EVICTION_POLICIES = ["lru", "lfu", "fifo", "largest", "cost"] as const;

/** One of {@link EVICTION_POLICIES}. */
export const EvictionPolicy = Type.Enum([...EVICTION_POLICIES], {
  description:
    "lru: longest unused; lfu: least often used; fifo: registered first; largest; cost: most bytes freed for each second that getting the content back would take.",
});
export type EvictionPolicy = Static<typeof EvictionPolicy>;

/** An object store that speaks S3. Its keys come from the environment (AWS_ACCESS_KEY_ID, …), never from here. */
export const ObjectStorage = Type.Object(
  {
    endpoint: Type.Optional(Type.String({ pattern: "^https?://", description: "Unset: Amazon's own." })),
    region: Type.String({ minLength: 1, default: "us-east-1" }),
    bucket: Type.String({ minLength: 3, maxLength: 63 }),
    prefix: Type.String({ default: "cache-ops/", pattern: "^([^/]+/)*$", description: "Put before every key." }),
  },
  closed,
);
export type ObjectStorage = Static<typeof ObjectStorage>;

/** A directory whose subdirectories are the entries of a managed cache. */
export const ManagedCache = Type.Object(
  {
    name: Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description: "How you call it." }),
    root: Type.String({ minLength: 1, description: "Absolute path of the directory." }),
    depth: Type.Integer({
      minimum: 1,
      maximum: 8,
      default: 1,
      description: "Which level below the root holds the directories that come and go: 1, the root's own.",
    }),
    maxBytes: Type.Optional(Type.Integer({ minimum: 1, description: "The quota in bytes. Unset: none." })),
    highWatermark: Type.Number({
      exclusiveMinimum: 0,
      maximum: 1,
      default: 0.9,
      description: "Share of the quota above which directories go.",
    }),
    lowWatermark: Type.Number({
      minimum: 0,
      maximum: 1,
      default: 0.8,
      description: "Share of the quota they go down to.",
    }),
    minFreeBytes: Type.Optional(Type.Integer({ minimum: 1, description: "Keep this much of the disk free." })),
    ttl: Type.Optional(Duration("A directory expires this long after its last access. Unset: never.")),
    maxAge: Type.Optional(Duration("A directory goes this long after its registration, used or not. Unset: never.")),
    policy: Type.Enum([...EVICTION_POLICIES], { default: "lru", description: "Which directories go first." }),
    keep: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description: "Patterns of directories, relative to the root, that never go.",
    }),
    autoRegister: Type.Boolean({ default: true, description: "Directories that appear are registered by themselves." }),
    settle: Type.String({
      pattern: DURATION_PATTERN,
      default: "10m",
      description: "A directory that was written to within this time is in use.",
    }),
    quarantine: Type.String({
      pattern: DURATION_PATTERN,
      default: "24h",
      description: "How long an evicted directory can be put back; its space is freed after that. 0s: at once.",
    }),
    refillBytesPerSecond: Type.Integer({
      minimum: 1,
      default: 12_500_000,
      description: "How fast content comes back, for the policy cost, where a directory does not say itself.",
    }),
    compressAfter: Type.Optional(Duration("A directory unused for this long is packed into one compressed file.")),
    archive: Type.Optional(ObjectStorage),
    store: Type.Enum(["embedded", "redis"], {
      default: "embedded",
      description: "Where the register is kept; redis: at CACHE_OPS_REDIS_URL, beside other programs and hosts.",
    }),
    redisPrefix: Type.String({
      pattern: "^(?!(cacheops|cache|dir|lock|jobs?):)([A-Za-z0-9_.-]{1,64}:)*$",
      maxLength: 256,
      default: "",
      description:
        "Put before dir:, cache:lru, cache:bytes and lock:dir: in Redis, such as films:. Empty: the very keys of the FastAPI backend, for the one cache it manages, too.",
    }),
  },
  { ...closed, description: "Directories under TTL, LRU and a quota." },
);
export type ManagedCache = Static<typeof ManagedCache>;

/**
 * Throws `invalid_input` for managed caches that cannot be meant: two of one name, a root that is not absolute or lies
 * in another's, watermarks the wrong way round.
 */
export function assertManaged(caches: readonly ManagedCache[]): void {
  const fail = (name: string, what: string, hint: string) =>
    new CacheOpsError("invalid_input", `configuration: the managed cache ${name} ${what}`, { hint });
  for (const [index, { name, root, lowWatermark, highWatermark }] of caches.entries()) {
    if (!isAbsolute(root)) throw fail(name, `has the root "${root}", which is not absolute`, "Give the whole path.");
    if (lowWatermark > highWatermark) {
      throw fail(
        name,
        "has its low watermark above the high one",
        "Directories go from the high one down to the low one.",
      );
    }
    for (const other of caches.slice(0, index)) {
      if (other.name === name) throw fail(name, "is there twice", "Give each a name of its own.");
      const [a, b] = [resolve(root), resolve(other.root)];
      if (isInside(a, b) || isInside(b, a)) {
        throw fail(name, `shares directories with ${other.name}`, "Two quotas over the same directories would fight.");
      }
    }
  }
}
