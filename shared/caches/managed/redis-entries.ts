import { CacheOpsError } from "../../errors.ts";
import type { RedisLink } from "../../redis-link.ts";
import type { ManagedEntry } from "./managed-store.ts";
import { memberPath } from "./member-path.ts";
import type { ManagedCache } from "./settings.ts";

/** How long the backend lets a directory live after its last use. */
const BACKEND_TTL_MS = 86_400_000;

/** A register in Redis, as its parts see it. */
export interface RedisRegister {
  readonly cache: ManagedCache;
  readonly link: RedisLink;
  /** Milliseconds; `undefined`: nothing expires. */
  readonly ttl: number | undefined;
  readonly now: () => number;
  /** The words every script begins with. `at` is the time, now unless it is said. */
  readonly words: (at?: number) => readonly string[];
  /** Throws `interrupted` when the caller gave up. */
  readonly goOn: () => void;
}

/** What a script says of an entry, understood (see `redis-lua.ts` for the form), with its score where that stands apart. */
export function readEntry({ ttl, now }: RedisRegister, path: string, text: string, score = ""): ManagedEntry {
  const [bytes, files, registeredAt, used, accesses, pinned, refill, rest] = text.split(" ");
  const seconds = score === "" ? Number.NaN : Number(score);
  const isTime = seconds >= 0 && seconds < 1e11;
  const accessedAt = Math.max(Number(used), isTime ? Math.round(seconds * 1000) : 0);
  return {
    path,
    bytes: Number(bytes),
    files: files === "-" ? 0 : Number(files),
    registeredAt: Number(registeredAt),
    accessedAt,
    expiresAt:
      rest === undefined ? (ttl === undefined ? null : accessedAt + ttl) : endOf(Number(rest), accessedAt, now()),
    accesses: Number(accesses),
    isPinned: pinned === "1",
    refillSeconds: refill === "-" ? null : Number(refill),
  };
}

/**
 * When a directory expires that only the backend knows, by what is left of its key's life. A key that is gone ran out,
 * or was thrown away by somebody: only what is unused for as long as the backend waits counts as expired.
 */
function endOf(left: number, accessedAt: number, now: number): number | null {
  if (left === -1) return null;
  return left >= 0 ? now + left : accessedAt + BACKEND_TTL_MS;
}

/** Reads what {@link readEntry} understands: path, text, path, text. Leaves out what can be no member of the cache. */
export function readEntries(register: RedisRegister, answer: unknown): ManagedEntry[] {
  const words = answer as readonly string[];
  const entries: ManagedEntry[] = [];
  for (let index = 0; index < words.length; index += 2) {
    const [path = "", text = ""] = words.slice(index, index + 2);
    if (!isForeign(text) || isMember(register.cache, path)) entries.push(readEntry(register, path, text));
  }
  return entries;
}

/** Whether what is said of an entry tells nothing of its size. */
export const isUnmeasured = (text: string) => text.split(" ", 2)[1] === "-";

const isForeign = (text: string) => text.split(" ").length === 8;

/** Whether another program's word for a directory names one that this cache could have. */
function isMember(cache: ManagedCache, path: string): boolean {
  // What is no UTF-8 arrives with U+FFFD in it: nobody knows what it is called.
  if (path.includes("\u{fffd}")) return false;
  try {
    return memberPath(cache, path) === path;
  } catch (error) {
    if (!(error instanceof CacheOpsError)) throw error;
    return false;
  }
}
