import { setImmediate } from "node:timers/promises";

/** A clock that stands still until it is moved, and whoever waits by it. */
export interface FakeClock {
  readonly now: () => number;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Moves on to a time (ISO 8601); everybody is woken in order, and has come to rest before the next one is. */
  readonly moveTo: (time: string) => Promise<void>;
  /** As {@link FakeClock.moveTo}, at once, as when the host slept. */
  readonly jumpTo: (time: string) => Promise<void>;
}

/** A clock that shows `time` (ISO 8601). */
export function makeClock(time: string): FakeClock {
  let now = Date.parse(time);
  const sleepers = new Set<{ readonly at: number; readonly wake: () => void }>();
  const rest = async () => {
    for (let round = 0; round < 20; round += 1) await setImmediate();
  };
  const wakeUntil = async (until: number) => {
    await rest();
    for (;;) {
      const [next] = [...sleepers].toSorted((a, b) => a.at - b.at);
      if (next === undefined || next.at > until) return;
      now = Math.max(now, next.at);
      next.wake();
      await rest();
    }
  };
  return {
    now: () => now,
    wait: (ms, signal) =>
      new Promise((resolve) => {
        const sleeper = {
          at: now + ms,
          wake: () => {
            sleepers.delete(sleeper);
            resolve();
          },
        };
        if (signal.aborted) resolve();
        else sleepers.add(sleeper);
        signal.addEventListener("abort", sleeper.wake);
      }),
    async moveTo(text) {
      await wakeUntil(Date.parse(text));
      now = Date.parse(text);
    },
    async jumpTo(text) {
      await rest();
      now = Date.parse(text);
      await wakeUntil(now);
    },
  };
}
