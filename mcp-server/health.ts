import { CacheOpsError, type Context } from "@cache-ops/shared";

import { answerJson } from "./http-answer.ts";
import type { Methods } from "./route.ts";

/** How long an answer about readiness holds: strangers may ask as often as they like. */
const HOLDS_MS = 1000;

/**
 * `/health`: the process answers. `/ready`: it can work, which is to say that its store can be read and it is not about
 * to end. Both say their one word to anybody, and nothing else.
 */
export function healthRoutes(context: Context, isStopping: () => boolean): Map<string, Methods> {
  let known: { readonly isReady: boolean; readonly at: number } | undefined;
  const isReady = () => {
    const now = performance.now();
    if (known === undefined || now - known.at > HOLDS_MS) known = { isReady: canRead(context), at: now };
    return known.isReady && !isStopping();
  };
  return new Map<string, Methods>([
    ["/health", { GET: { isOpen: true, answer: () => answerJson(200, { status: "ok" }) } }],
    [
      "/ready",
      {
        GET: {
          isOpen: true,
          answer: () => (isReady() ? answerJson(200, { status: "ready" }) : answerJson(503, { status: "not ready" })),
        },
      },
    ],
  ]);
}

function canRead(context: Context): boolean {
  try {
    return context.state().get("SELECT count(*) FROM roots") !== undefined;
  } catch (error) {
    if (error instanceof CacheOpsError) return false;
    throw error;
  }
}
