import { createHmac, randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";

import type { Context, Notice, Webhook } from "@cache-ops/shared";

import type { Done } from "./work.ts";

/** Tells every webhook that wants to know. Returns at once. */
export type Tell = (event: Notice, data: Readonly<Record<string, unknown>>) => void;

/** Deliveries to the configured addresses. */
export interface Webhooks {
  readonly tell: Tell;
  /** Tells of plans that a guard stopped and of changes that failed. */
  readonly observe: (done: Done) => void;
  /** How many messages were delivered, and given up. */
  readonly counts: { delivered: number; failed: number };
  /** Gives up what could not be delivered yet. */
  close(): Promise<void>;
}

/** How deliveries are made. */
export interface DeliveryOptions {
  /** Signs messages; without it they are not signed. */
  readonly secret: string | undefined;
  readonly log: Context["log"];
  /** Before the second attempt; each later one waits twice as long. */
  readonly backoffMs?: number;
  readonly timeoutMs?: number;
}

const ATTEMPTS = 5;
/** Most messages that wait for one address: an address that does not answer costs no more than these. */
const MAX_WAITING = 100;

/**
 * Delivers messages by POST, those for one address one after the other, each tried five times. A message is
 * `{id, type, timestamp, data}`; with a secret it carries the signature of https://www.standardwebhooks.com, and the
 * same `webhook-id` at each attempt. Redirects are not followed. Failures are logged, and stop nothing.
 */
export function makeWebhooks(
  webhooks: readonly Webhook[],
  { secret, log, backoffMs = 1000, timeoutMs = 10_000 }: DeliveryOptions,
): Webhooks {
  const stop = new AbortController();
  const counts = { delivered: 0, failed: 0 };
  const queues = webhooks.map((webhook, index) => ({ webhook, index, waiting: 0, last: Promise.resolve() }));

  const attempt = async (url: string, body: string, headers: Record<string, string>): Promise<string | undefined> => {
    try {
      const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(timeoutMs)]);
      const response = await fetch(url, { method: "POST", body, headers, redirect: "manual", signal });
      await response.body?.cancel();
      return response.ok ? undefined : `status ${response.status}`;
    } catch (error) {
      // Whatever keeps a message from arriving is the same to us: it is tried again.
      return error instanceof Error
        ? error.cause instanceof Error
          ? error.cause.message
          : error.message
        : String(error);
    }
  };
  const deliver = async (url: string, index: number, event: Notice, data: Readonly<Record<string, unknown>>) => {
    const [id, timestamp] = [`msg_${randomUUID()}`, new Date()];
    const body = JSON.stringify({ id, type: event, timestamp: timestamp.toISOString(), data });
    const headers = headersOf(id, Math.floor(timestamp.getTime() / 1000), body, secret);
    let why: string | undefined;
    for (let tried = 1; tried <= ATTEMPTS && !stop.signal.aborted; tried += 1) {
      why = await attempt(url, body, headers);
      if (why === undefined) {
        counts.delivered += 1;
        return;
      }
      if (tried < ATTEMPTS) await pause(backoffMs * 2 ** (tried - 1), stop.signal);
    }
    counts.failed += 1;
    // By its number: addresses of webhooks often hold secrets.
    log("webhook failed", { webhook: index, event, error: why ?? "the service stops" });
  };
  const tell: Tell = (event, data) => {
    for (const queue of queues) {
      const { webhook, index } = queue;
      if (!webhook.events.includes(event)) continue;
      if (queue.waiting >= MAX_WAITING) {
        counts.failed += 1;
        log("webhook failed", { webhook: index, event, error: "too many messages wait for it" });
        continue;
      }
      queue.waiting += 1;
      queue.last = afterwards(queue.last, async () => {
        await deliver(webhook.url, index, event, data);
        queue.waiting -= 1;
      });
    }
  };
  return {
    tell,
    counts,
    observe: (done) => {
      const notice = noticeOf(done);
      if (notice !== undefined) tell(notice.event, notice.data);
    },
    close: async () => {
      stop.abort();
      await Promise.all(queues.map(({ last }) => last));
    },
  };
}

/** Outcomes of a change after which something is not as it should be. What a caller did wrong is theirs to know. */
const FAILURES = new Set(["partial", "corrupt", "unavailable", "internal", "stale_plan", "locked", "forbidden"]);

/** What is worth telling of a piece of work: nothing, mostly. */
function noticeOf({ operation, face, outcome, output, error }: Done) {
  const data = {
    operation: operation.name,
    face,
    outcome,
    plan: output?.["plan"] ?? null,
    run: output?.["run"] ?? null,
    message: error instanceof Error && outcome !== "internal" ? error.message : null,
  };
  if (outcome === "blocked") return { event: "blocked" as const, data };
  const isChange = operation.effect !== "read" || face === "schedule";
  return isChange && FAILURES.has(outcome) ? { event: "failure" as const, data } : undefined;
}

function headersOf(id: string, seconds: number, body: string, secret: string | undefined): Record<string, string> {
  const headers = { "content-type": "application/json", "user-agent": "cache-ops", "webhook-id": id };
  if (secret === undefined) return headers;
  // As the standard writes secrets; any other text is taken as it is.
  const key = secret.startsWith("whsec_") ? Buffer.from(secret.slice(6), "base64") : secret;
  const signature = createHmac("sha256", key).update(`${id}.${seconds}.${body}`).digest("base64");
  return { ...headers, "webhook-timestamp": String(seconds), "webhook-signature": `v1,${signature}` };
}

async function afterwards(before: Promise<void>, work: () => Promise<void>): Promise<void> {
  await before;
  await work();
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "AbortError") throw error;
  }
}
