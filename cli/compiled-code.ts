import { statSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { getuid } from "node:process";

import { placesOf } from "./places.ts";

/**
 * Has Node keep the code it compiles in the state directory, so that the next start need not compile it. Node writes
 * it when the process ends, under names of its own that are renamed: several processes may do so at once. What cannot
 * be written is not kept.
 *
 * Code from there is run. So the directory must be one that is there already (who only reads makes none) and that
 * nobody but this user can write to.
 */
export function keepCompiledCode(): void {
  const { stateDirectory } = placesOf();
  if (isOwn(stateDirectory)) enableCompileCache(join(stateDirectory, "compiled-code"));
}

function isOwn(directory: string): boolean {
  try {
    const { uid, mode } = statSync(directory);
    return getuid === undefined || (uid === getuid() && (mode & 0o022) === 0);
  } catch (error) {
    // Whatever is wrong with it, the command that needs it says so.
    if (error instanceof Error && "code" in error) return false;
    throw error;
  }
}
