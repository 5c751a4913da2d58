import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";

import { CacheOpsError, type RedisLink } from "@cache-ops/shared";

/*
 * The right to change one territory of a library, among all hosts. It is a key with a token of its holder that ends by
 * itself: a host that dies or stands still loses it. Whoever holds it has it confirmed right before each change.
 */

/** A lease that was acquired. */
export interface Lease {
  /** Confirms and prolongs it. Throws `locked` once it was lost, or when that cannot be found out: for good. */
  assertHeld(): Promise<void>;
  readonly isLost: () => boolean;
  /** Gives it back. While Redis does not answer, it ends by itself. */
  release(): Promise<void>;
}

const PROLONG =
  "if redis.call('GET', ARGV[1]) == ARGV[2] then return redis.call('PEXPIRE', ARGV[1], ARGV[3]) end return 0";
const RELEASE = "if redis.call('GET', ARGV[1]) == ARGV[2] then return redis.call('DEL', ARGV[1]) end return 0";
const RETRY_MS = 200;

/**
 * Acquires the lease of a territory for `holder`; `undefined` while another has it. It is prolonged by itself while
 * this process runs; `onLost` is called when it was lost.
 */
export async function acquireLease(
  link: RedisLink,
  territory: string,
  holder: string,
  durationMs: number,
  onLost: () => void,
): Promise<Lease | undefined> {
  const key = `${LEASE_PREFIX}${territory}`;
  const token = `${holder} ${randomUUID()}`;
  const answer = await link.ask((client) => client.sendCommand(["SET", key, token, "NX", "PX", String(durationMs)]));
  if (answer === null) return undefined;
  let isLost = false;
  const lose = (why: string) => {
    if (!isLost) onLost();
    isLost = true;
    throw new CacheOpsError("locked", `the lease on ${territory} was lost: ${why}`, {
      hint: "Nothing more was changed; another host goes on.",
    });
  };
  const prolong = async () => {
    const words = { arguments: [key, token, String(durationMs)] };
    if ((await link.ask((client) => client.eval(PROLONG, words))) !== 1) lose("another host may have it");
  };
  /** Asks until there is an answer: a server that is started again is back before the lease has ended. */
  const assertHeld = async () => {
    if (isLost) lose("another host may have it");
    const deadline = performance.now() + durationMs;
    for (;;) {
      const askedAt = performance.now();
      try {
        await prolong();
        // An answer that was read long after it was given, by a process that stood still, says nothing.
        if (performance.now() - askedAt < durationMs / 2) return;
      } catch (error) {
        if (!(error instanceof CacheOpsError) || error.code !== "unavailable") throw error;
        if (performance.now() >= deadline) lose(error.message);
        await delay(RETRY_MS);
      }
    }
  };
  const timer = setInterval(() => {
    // What was lost is told by `onLost`, and by the next question.
    assertHeld().catch((error: unknown) => {
      if (!(error instanceof CacheOpsError)) throw error;
    });
  }, durationMs / 3);
  return {
    assertHeld,
    isLost: () => isLost,
    async release() {
      clearInterval(timer);
      try {
        if (!isLost) await link.ask((client) => client.eval(RELEASE, { arguments: [key, token] }));
      } catch (error) {
        if (!(error instanceof CacheOpsError) || error.code !== "unavailable") throw error;
      }
    },
  };
}

/** Every lease's key begins with this. */
const LEASE_PREFIX = "cacheops:lease:";
