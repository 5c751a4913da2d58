import assert from "node:assert/strict";

import { scanDirectories, type ScanOptions } from "../../shared/caches/directory/scan.ts";
import { inspectRoot, type Passport } from "../../shared/passport.ts";
import type { Scan } from "../../shared/scan.ts";
import { makeContext } from "../support/context.ts";
import { makeDice } from "../support/dice.ts";
import { makeOddLibrary, ODD_NOW } from "../support/odd-library.ts";
import { failsWith } from "../support/runs.ts";

async function passportOf(root: string): Promise<Passport> {
  const state = await inspectRoot(root, 30);
  assert.ok(state.state === "healthy");
  return state.passport;
}

/** The same scan by the plain walk and by threads from the first directories on. */
async function bothOf(roots: readonly string[], options: ScanOptions = {}): Promise<[plain: Scan, threaded: Scan]> {
  const passports = await Promise.all(roots.map(passportOf));
  const scan = async (threadsAfterMs: number) => {
    const steps: number[] = [];
    const context = makeContext({ now: () => ODD_NOW, progress: ({ done }) => steps.push(done) });
    return { scan: await scanDirectories(passports, context, { ...options, threadsAfterMs }), steps };
  };
  const [plain, threaded] = [await scan(Infinity), await scan(0)];
  assert.equal(threaded.steps.at(-1), plain.steps.length);
  const strides = threaded.steps.map((step, index) => step - (threaded.steps[index - 1] ?? 0));
  assert.ok(Math.max(...strides) > 1, "threads go by several directories at once, the plain walk by one");
  return [plain.scan, threaded.scan];
}

describe("a scan by threads", () => {
  for (const seed of [1, 2, 3]) {
    it(`finds exactly what the plain scan finds, in the same order, in an odd library (${seed})`, async () => {
      const dice = makeDice(seed);
      const roots = [makeOddLibrary(dice), makeOddLibrary(dice)];
      const [plain, threaded] = await bothOf(roots);
      const problems = new Set(plain.found.map(({ finding }) => finding.problem));
      for (const problem of [
        "orphaned",
        "superseded",
        "changed",
        "drifted",
        "corrupt",
        "unreachable",
        "leftover",
      ] as const)
        assert.ok(problems.has(problem), problem);
      assert.ok(plain.troubles.length > 0 && plain.caches.length > 100);
      assert.deepEqual(threaded, plain);
    });
  }

  it("finds the same entries to be expired", async () => {
    const [plain, threaded] = await bothOf([makeOddLibrary(makeDice(4))], { expiredBefore: ODD_NOW });
    assert.ok(plain.found.some(({ finding }) => finding.problem === "expired"));
    assert.deepEqual(threaded, plain);
  });

  it("stops when it is told to", async () => {
    const root = makeOddLibrary(makeDice(5));
    const stop = new AbortController();
    const context = makeContext({ signal: stop.signal, progress: ({ done }) => done > 1 && stop.abort() });
    await assert.rejects(
      scanDirectories([await passportOf(root)], context, { threadsAfterMs: 0 }),
      failsWith("interrupted", /stopped/),
    );
  });
});
