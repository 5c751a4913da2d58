import { createHash } from "node:crypto";
import { gunzipSync, gzipSync } from "node:zlib";

import { CacheOpsError, errnoOf } from "./errors.ts";
import { Plan } from "./plan.ts";
import type { State } from "./state.ts";
import { matches } from "./validate.ts";

/** A plan as it is stored. The digest is the SHA-256 of its whole content. */
export interface StoredPlan {
  readonly plan: Plan;
  readonly digest: string;
  /** The run that used it up, if any. */
  readonly run: string | null;
}

/** The plan that was stored or checked last: who plans and applies in one go need not have it checked again. */
let latest: { readonly digest: string; readonly plan: WeakRef<Plan> } | undefined;

/** Stores a plan and returns its digest. */
export function savePlan(state: State, plan: Plan): string {
  const body = Buffer.from(JSON.stringify(plan));
  const digest = digestOf(body);
  const [created, expires] = [Date.parse(plan.createdAt), Date.parse(plan.expiresAt)];
  state.note(() =>
    state.run(
      "INSERT INTO plans (id, created_at, expires_at, digest, body) VALUES (?, ?, ?, ?, ?)",
      plan.id,
      created,
      expires,
      digest,
      gzipSync(body, { level: 1 }),
    ),
  );
  latest = { digest, plan: new WeakRef(plan) };
  return digest;
}

/** Loads a plan by its id. Throws `not_found`, or `stale_plan` when what is stored is not what was planned. */
export function loadPlan(state: State, id: string): StoredPlan {
  const row = state.get("SELECT digest, body, run FROM plans WHERE id = ?", id);
  if (row === undefined) {
    throw new CacheOpsError("not_found", `there is no plan ${JSON.stringify(id)}`, {
      hint: "Plans are kept for a while only. Make a new one with cleanup or repair.",
    });
  }
  const { digest, body, run } = row;
  const bytes = body instanceof Uint8Array ? unpacked(body) : Buffer.alloc(0);
  const plan = typeof digest === "string" && digestOf(bytes) === digest ? planOf(bytes, digest) : undefined;
  if (plan === undefined || typeof digest !== "string") {
    throw new CacheOpsError("stale_plan", `plan ${id} is not as it was stored`, { hint: "Make a new plan." });
  }
  return { plan, digest, run: typeof run === "string" ? run : null };
}

/** The plan in bytes with this digest, or `undefined` when they hold none. */
function planOf(bytes: Buffer, digest: string): Plan | undefined {
  const known = latest?.digest === digest ? latest.plan.deref() : undefined;
  if (known !== undefined) return known;
  const plan: unknown = JSON.parse(bytes.toString("utf8"));
  if (!matches(Plan, plan)) return undefined;
  latest = { digest, plan: new WeakRef(plan) };
  return plan;
}

/** The stored bytes, or none when they cannot be unpacked, which then have another digest. */
function unpacked(body: Uint8Array): Buffer {
  try {
    return gunzipSync(body);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return Buffer.alloc(0);
  }
}

/** Forgets plans that expired before `time` (ms since 1970) and were never used. */
export function forgetPlans(state: State, time: number): void {
  state.run("DELETE FROM plans WHERE run IS NULL AND expires_at < ?", time);
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
