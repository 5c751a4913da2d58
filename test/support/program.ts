import { env } from "node:process";
import { fileURLToPath } from "node:url";

/**
 * Where a program lies that tests start: `faults/driver` is `test/faults/driver.program.ts`. For the whole test run it
 * is what `build.ts tests` made of that, which starts several times as fast.
 */
export function programOf(name: string): string {
  const path =
    env["CACHE_OPS_TEST_BUILT"] === "1" ? `../dist/${name.replaceAll("/", "-")}.mjs` : `../${name}.program.ts`;
  return fileURLToPath(new URL(path, import.meta.url));
}
