import { readFileSync, writeFileSync } from "node:fs";
import { cpuUsage, platform, resourceUsage } from "node:process";

import type { Candidates, ManagedStore } from "../../shared/caches/managed/managed-store.ts";
import { EVICTION_POLICIES } from "../../shared/caches/managed/settings.ts";
import { chooseVictims, type Victims } from "../../shared/caches/managed/victims.ts";

/** What one piece of work on a register cost. */
export interface PhaseFigures {
  readonly phase: string;
  /** Directories it was about. */
  readonly directories: number;
  readonly seconds: number;
  /** Time of the processor in this process; the server's own is not in it. */
  readonly cpuSeconds: number;
  /** Most memory that this process had meanwhile (rss), in megabytes; the server's own is not in it. */
  readonly peakMegabytes: number;
}

const BATCH = 10_000;
/** Uses that are on the way at once, as in a service with as many clients. */
const AT_ONCE = 100;
const AT = Date.UTC(2026, 0, 1);

/**
 * Works on an empty register as a busy service would: registers so many directories in batches, notes a use of every
 * tenth, asks for its figures, and chooses 5 % of the bytes under each policy. Those of the last one are then forgotten.
 */
export async function benchManagedStore(store: ManagedStore, directories: number): Promise<readonly PhaseFigures[]> {
  const phases: PhaseFigures[] = [];
  const measure = async <T>(phase: string, count: number, work: () => T | Promise<T>): Promise<T> => {
    forgetPeak();
    const begun = performance.now();
    const cpu = cpuUsage();
    const result = await work();
    const { user, system } = cpuUsage(cpu);
    const seconds = (performance.now() - begun) / 1000;
    const cpuSeconds = (user + system) / 1e6;
    phases.push({ phase, directories: count, seconds, cpuSeconds, peakMegabytes: peakMegabytes() });
    return result;
  };
  const random = makeRandom();
  await measure("register", directories, async () => {
    for (let start = 0; start < directories; start += BATCH) {
      const size = Math.min(BATCH, directories - start);
      await store.register(
        Array.from({ length: size }, (_, place) => registrationOf(start + place, random)),
        AT,
      );
    }
  });
  const uses = Math.floor(directories / 10);
  await measure("touch", uses, async () => {
    for (let start = 0; start < uses; start += AT_ONCE) {
      const some = Array.from({ length: Math.min(AT_ONCE, uses - start) }, () => Math.floor(random() * directories));
      await Promise.all(some.map((number, place) => store.touch(pathOf(number), AT + start + place)));
    }
  });
  const { bytes } = await measure("totals", directories, () => store.totals());
  await measure("list newest", 1000, () => store.list({ offset: 0, limit: 1000, newestFirst: true }));
  const candidates = await measure("read for a policy", directories, () => store.candidates());
  let victims: Victims | undefined;
  for (const policy of EVICTION_POLICIES) {
    victims = await measure(`choose 5 % ${policy}`, directories, () => choose(candidates, policy, bytes / 20));
  }
  const paths = Array.from(victims?.indices ?? [], (index) => candidates.pathOf(index));
  await measure("forget 5 %", paths.length, () => store.forget(paths));
  const after = await store.totals();
  const freed = victims?.freedBytes ?? 0;
  if (freed < bytes / 20 || after.bytes !== bytes - freed || after.directories !== directories - paths.length) {
    throw new Error(`the register is wrong: ${JSON.stringify({ bytes, freed, after })}`);
  }
  return phases;
}

const choose = (candidates: Candidates, policy: (typeof EVICTION_POLICIES)[number], neededBytes: number) =>
  chooseVictims(candidates, {
    policy,
    neededBytes,
    now: AT,
    maxAgeMs: undefined,
    refillBytesPerSecond: 12_500_000,
    isExempt: () => false,
  });

const pathOf = (number: number) => `Artist ${number % 50_000}/Album ${number} (2026)`;

function registrationOf(number: number, random: () => number) {
  const bytes = Math.floor(random() * 1_000_000_000);
  const accessedAt = AT - Math.floor(random() * 30 * 86_400_000);
  const refillSeconds = number % 2 === 0 ? Math.ceil(random() * 600) : undefined;
  return { path: pathOf(number), bytes, files: 1 + (number % 20), accessedAt, refillSeconds };
}

/** The same numbers every time. */
function makeRandom(): () => number {
  let state = 42;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Linux can begin again to watch for the peak; elsewhere it is that of the process up to now. */
function forgetPeak(): void {
  if (platform === "linux") writeFileSync("/proc/self/clear_refs", "5");
}

function peakMegabytes(): number {
  if (platform !== "linux") return resourceUsage().maxRSS / 1024;
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) / 1024;
}
