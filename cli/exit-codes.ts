import type { Outcome } from "@cache-ops/shared/start";

/** The exit code of every outcome. A stale finding and a partial run are results, the rest are errors. */
export const EXIT_CODES: Readonly<Record<Outcome, number>> = {
  ok: 0,
  stale: 1,
  invalid_input: 2,
  partial: 3,
  not_found: 10,
  locked: 11,
  stale_plan: 12,
  expired_plan: 12,
  corrupt: 13,
  unavailable: 14,
  blocked: 15,
  forbidden: 16,
  internal: 70,
  interrupted: 130,
};
