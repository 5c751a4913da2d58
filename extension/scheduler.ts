/** What may be done by itself. */
export type ScheduledAction = "check" | "cleanup";

/** What the scheduler depends on: clock, settings, and the work itself. */
export interface SchedulerParts {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** What is to be done; `undefined`: nothing. */
  readonly wanted: () => Wanted | undefined;
  /** Asks for this window's turn among all windows. */
  readonly takeTurn: (everyMs: number, now: number) => Promise<boolean>;
  readonly run: (action: ScheduledAction) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/** What is done how often, and how long the editor must have been left alone before. */
export interface Wanted {
  readonly action: ScheduledAction;
  readonly everyMs: number;
  readonly idleMs: number;
}

/** Decides when something is done by itself. */
export interface Scheduler {
  /** Tells whether the person is at this window. What is running then goes on to its end. */
  readonly notice: (isHere: boolean) => void;
  /** To be called about once a minute: does what is due, one thing at a time. Never throws. */
  readonly tick: () => Promise<void>;
}

/** Makes the scheduler. The person counts as being there until {@link Scheduler.notice} says otherwise. */
export function makeScheduler({ now, wanted, takeTurn, run, onError }: SchedulerParts): Scheduler {
  let awaySince: number | undefined;
  let isRunning = false;
  return {
    notice: (isHere) => {
      awaySince = isHere ? undefined : (awaySince ?? now());
    },
    tick: async () => {
      const due = wanted();
      if (due === undefined || isRunning || awaySince === undefined) return;
      if (now() - awaySince < due.idleMs) return;
      isRunning = true;
      try {
        if (await takeTurn(due.everyMs, now())) await run(due.action);
      } catch (error) {
        onError(error);
      } finally {
        isRunning = false;
      }
    },
  };
}

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** Milliseconds in a duration as the settings have them, such as `24h`; `undefined` for any other text. */
export function durationMs(text: string): number | undefined {
  const match = /^(\d{1,6})([smhdw])$/.exec(text);
  return match === null ? undefined : Number(match[1]) * UNITS[match[2] as keyof typeof UNITS];
}
