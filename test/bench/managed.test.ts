import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { execPath } from "node:process";
import { fileURLToPath } from "node:url";

import type { PhaseFigures } from "./managed-phases.ts";

const BENCH = fileURLToPath(new URL("managed.ts", import.meta.url));

type Printed = Readonly<Record<"embedded" | "redis", readonly PhaseFigures[]>>;

describe("the benchmark of managed directories", () => {
  it("measures the same work on both stores, and ends only when both are right", () => {
    const output = execFileSync(execPath, [BENCH, "--directories", "2000", "--redis"], { encoding: "utf8" });
    const { embedded, redis } = JSON.parse(output.trimEnd().split("\n").at(-1) ?? "") as Printed;
    const work = embedded.map(({ phase, directories }) => [phase, directories]);
    assert.deepEqual(work.slice(0, 3), [
      ["register", 2000],
      ["touch", 200],
      ["totals", 2000],
    ]);
    assert.deepEqual(
      redis.map(({ phase, directories }) => [phase, directories]),
      work,
    );
    for (const { seconds, peakMegabytes } of [...embedded, ...redis]) assert.ok(seconds > 0 && peakMegabytes > 0);
    assert.match(output, /redis ÷ embedded[^]+\nregister +[0-9.]+\n/);
  });
});
