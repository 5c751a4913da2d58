import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";
import { fileURLToPath } from "node:url";

import { makePlace } from "../support/place.ts";

const EXTENSION = fileURLToPath(new URL("../../extension", import.meta.url));
const VSCE = join(EXTENSION, "..", "node_modules", ".bin", "vsce");

let made: string | undefined;

/** The extension packaged as it would be published, once for all tests of this process. Prints its size. */
export function packagedExtension(): string {
  if (made !== undefined) return made;
  const vsix = join(makePlace("vsix"), "cache-ops.vsix");
  execFileSync(execPath, [VSCE, "package", "--no-dependencies", "--out", vsix], { cwd: EXTENSION, stdio: "pipe" });
  console.log(`      VSIX: ${Math.round(statSync(vsix).size / 1000)} kB`);
  made = vsix;
  return vsix;
}
