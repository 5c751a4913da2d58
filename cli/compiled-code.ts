import { statSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { getuid } from "node:process";

import { keepPieces } from "./compiled-pieces.ts";
import { placesOf } from "./places.ts";

/**
 * Has compiled code kept in the state directory, so that the next start of this command need not compile it. Several
 * processes may do so at once. Returns what is to be called when the command has succeeded: then it is known which
 * functions it takes. What cannot be written is not kept.
 *
 * Code from there is run. So the directory must be one that is there already (who only reads makes none) and that
 * nobody but this user can write to.
 */
export function keepCompiledCode(word: string | undefined): () => void {
  const { stateDirectory } = placesOf();
  if (!isOwn(stateDirectory)) return () => undefined;
  const kept = join(stateDirectory, "compiled-code");
  // Sources are Node's to compile.
  if (import.meta.filename.endsWith(".ts")) {
    enableCompileCache(kept);
    return () => undefined;
  }
  return keepPieces(import.meta.dirname, join(kept, /^[a-z]+$/.exec(word ?? "")?.[0] ?? "help"));
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
