import type { Engine } from "./engine.ts";
import type { Blocked, SurveySummary } from "./protocol.ts";
import { rootSentence } from "./root-state.ts";

/** What came of something that was done while nobody watched. */
export type Done =
  | { readonly kind: "nothing" }
  | { readonly kind: "found"; readonly stale: number; readonly caches: number }
  | Cleaned
  | { readonly kind: "blocked"; readonly causes: readonly Cause[] };

/** A run that nobody watched. Only `complete` means that everything planned was done and verified. */
export interface Cleaned {
  readonly kind: "cleaned";
  readonly run: string;
  readonly status: string;
  readonly entries: number;
  readonly caches: number;
  readonly bytes: number;
  readonly refused: number;
}

/** Why nothing was done. Two with the same key are the same cause. */
export interface Cause {
  readonly key: string;
  readonly text: string;
}

/** What a look at the libraries says. Where a library cannot be looked at, that is said before all else. */
export function foundIn({ roots }: SurveySummary): Done {
  const away = roots.filter(({ state }) => state !== "healthy");
  if (away.length > 0) {
    const causes = away.map((root) => ({ key: `${root.state} ${root.root}`, text: `${rootSentence(root)}.` }));
    return { kind: "blocked", causes };
  }
  const stale = roots.reduce((sum, root) => sum + root.stale, 0);
  const caches = roots.reduce((sum, root) => sum + root.caches, 0);
  return stale === 0 ? { kind: "nothing" } : { kind: "found", stale, caches };
}

/** Plans a cleanup as one that nobody watches, and applies it when no guard objects. Throws the engine's errors. */
export async function cleanUpUnattended(engine: Pick<Engine, "request">): Promise<Done> {
  const plan = (await engine.request("invoke", { operation: "cleanup", input: { unattended: true } })).output as {
    readonly plan: string;
    readonly digest: string;
    readonly status: "ready" | "empty" | "blocked";
    readonly blocked: readonly Blocked[];
  };
  if (plan.status === "empty") return { kind: "nothing" };
  if (plan.status === "blocked") {
    const causes = plan.blocked.map(({ guard, path, message, advice }) => ({
      key: `${guard} ${path}`,
      text: `${path}: ${message}. ${advice}`,
    }));
    return { kind: "blocked", causes };
  }
  const input = { plan: plan.plan, digest: plan.digest };
  const report = (await engine.request("invoke", { operation: "apply", input })).output as {
    readonly run: string;
    readonly status: string;
    readonly entries: number;
    readonly caches: number;
    readonly reclaimedBytes: number;
    readonly refused: readonly unknown[];
  };
  const { run, status, entries, caches, reclaimedBytes: bytes, refused } = report;
  return { kind: "cleaned", run, status, entries, caches, bytes, refused: refused.length };
}
