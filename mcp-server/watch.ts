import {
  daysUntilFull,
  managedFigures,
  openUsageHistory,
  parseDuration,
  systemError,
  CacheOpsError,
  type Context,
} from "@cache-ops/shared";

import type { Figures } from "./managed-answers.ts";
import type { Tell } from "./webhooks.ts";
import type { Done } from "./work.ts";

/** Looks at the usage of managed caches now and then. */
export interface Watch {
  /** The figures, some seconds old at most, and never older than the last change that is known of. */
  readonly figures: () => Promise<Figures>;
  /** Makes a change known: work that was done, … */
  readonly observe: (done: Done) => void;
  /** … or something else that changed a register. */
  readonly renew: () => void;
  /** In how many days each cache is full, by name, as last seen; `null`: it does not grow. */
  readonly daysUntilFull: ReadonlyMap<string, number | null>;
  start(): void;
  stop(): Promise<void>;
}

/** How long figures hold: counting a million directories is not free. */
const HOLDS_MS = 5000;

/**
 * Notes the usage of every managed cache once in a while, and tells when one passes its high watermark or is going to
 * be full soon: once, until that is over, and then again when it comes back.
 */
export function watchUsage(context: Context, tell: Tell, log: Context["log"]): Watch {
  const { checkEvery, forecastDays } = context.configuration.service;
  let known: { readonly figures: Promise<Figures>; readonly at: number } | undefined;
  let looking: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  const days = new Map<string, number | null>();
  const told = new Set<string>();

  const figures = () => {
    const now = performance.now();
    if (known === undefined || now - known.at > HOLDS_MS) known = { figures: managedFigures(context), at: now };
    return known.figures;
  };
  /** Tells of what begins, not of what goes on. */
  const edge = (key: string, holds: boolean, event: Parameters<Tell>) => {
    if (holds && !told.has(key)) tell(...event);
    if (holds) told.add(key);
    else told.delete(key);
  };
  const look = async () => {
    const history = openUsageHistory(context.stateDirectory ?? context.state().directory);
    try {
      for (const { cache, totals } of await figures()) {
        if (totals === null) continue;
        history.note(cache.name, totals.bytes, context.now());
        if (cache.maxBytes === undefined) continue;
        const usage = { cache: cache.name, bytes: totals.bytes, maxBytes: cache.maxBytes };
        const left = daysUntilFull(history.samples(cache.name), cache.maxBytes);
        days.set(cache.name, left);
        edge(`quota ${cache.name}`, totals.bytes > cache.maxBytes * cache.highWatermark, [
          "quota",
          { ...usage, highWatermark: cache.highWatermark },
        ]);
        edge(`forecast ${cache.name}`, left !== null && left <= forecastDays, [
          "forecast",
          { ...usage, fullInDays: left },
        ]);
      }
    } finally {
      history.close();
    }
  };
  const tryToLook = async () => {
    try {
      await look();
    } catch (error) {
      const known = systemError(error, "usage");
      const isKnown = known instanceof CacheOpsError;
      log("usage not known", { error: isKnown ? known.message : String(error instanceof Error ? error.stack : error) });
    }
  };
  const renew = () => (known = undefined);
  return {
    figures,
    renew,
    observe: ({ operation }) => {
      if (operation.effect !== "read") renew();
    },
    daysUntilFull: days,
    start: () => {
      if (context.configuration.managed.length === 0) return;
      looking = tryToLook();
      timer = setInterval(
        () => {
          looking = looking.then(tryToLook);
        },
        Math.max(1, parseDuration(checkEvery)) * 1000,
      );
    },
    stop: async () => {
      clearInterval(timer);
      await looking;
    },
  };
}
