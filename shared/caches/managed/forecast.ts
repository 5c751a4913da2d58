/** How much a managed cache held on a day. */
export interface UsageSample {
  /** Days since 1970. */
  readonly day: number;
  readonly bytes: number;
}

/** Fewer days say nothing about a trend. */
const MIN_SAMPLES = 3;

/**
 * In how many days a cache will hold `maxBytes` if it goes on growing as it did: the straight line that fits the
 * samples best, put through the newest of them. 0 when it is full already; `null` when it does not grow, or when there
 * are not three days to tell by. Samples may come in any order; two of one day count both.
 */
export function daysUntilFull(samples: readonly UsageSample[], maxBytes: number): number | null {
  const newest = samples.reduce<UsageSample | undefined>(
    (last, sample) => (last === undefined || sample.day >= last.day ? sample : last),
    undefined,
  );
  if (newest === undefined) return null;
  if (newest.bytes >= maxBytes) return 0;
  if (new Set(samples.map(({ day }) => day)).size < MIN_SAMPLES) return null;
  const growth = slopeOf(samples);
  return growth > 0 ? (maxBytes - newest.bytes) / growth : null;
}

/** Bytes a day, by least squares. */
function slopeOf(samples: readonly UsageSample[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [day, bytes] = [mean(samples.map((sample) => sample.day)), mean(samples.map((sample) => sample.bytes))];
  const [over, under] = samples.reduce(
    ([over, under], sample) => [over + (sample.day - day) * (sample.bytes - bytes), under + (sample.day - day) ** 2],
    [0, 0],
  );
  return over / under;
}
