import { execFileSync } from "node:child_process";
import { execPath } from "node:process";
import { fileURLToPath } from "node:url";

import { has } from "./scene.ts";

const BENCH = fileURLToPath(new URL("managed.ts", import.meta.url));

/** Measures the register of managed directories in processes of its own, beside Redis if there is one. */
export function benchManaged(directories: number): unknown {
  const words = [BENCH, "--directories", String(directories)];
  const redis = has("redis-server", "--version") ? ["--redis"] : [];
  const output = execFileSync(execPath, [...words, ...redis], { encoding: "utf8", maxBuffer: 1 << 24 });
  const lines = output.trimEnd().split("\n");
  const figures: unknown = JSON.parse(lines.pop() ?? "");
  console.log(`\n### register of managed directories\n\n${lines.join("\n")}`);
  return figures;
}
