import type { Context } from "@cache-ops/shared";

/** What the operator decides when the server is started. A client can ask for less, never for more. */
export interface Settings {
  readonly version: string;
  /** A context for one call, confined to the configured libraries. It ends with the signal. */
  readonly contextFor: (signal: AbortSignal) => Context;
  /** Leaves out every tool that changes a cache. */
  readonly readOnly: boolean;
  /** The tools to offer, by their names or the words of groups; `undefined`: those of the group `default`. */
  readonly tools: readonly string[] | undefined;
  /** A person has to say yes before anything changes: without a client that can ask one, nothing does. */
  readonly confirm: boolean;
  /** Most tokens one result may take, counted as four characters each, text and structure together. */
  readonly maxTokens: number;
}

/** What the server assumes unless it is told otherwise. */
export const DEFAULT_MAX_TOKENS = 6000;
