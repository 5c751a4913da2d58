import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { invoke, operationNamed, type Context } from "@cache-ops/shared/start";

const MOVIES = [
  "movies/Metropolis (1927)/Metropolis (1927).mp4",
  "movies/Nosferatu (1922)/Nosferatu (1922).mp4",
  "movies/The General (1926)/The General (1926).mp4",
  "movies/Safety Last! (1923)/Safety Last! (1923).mp4",
  "tv/Fireside Chats/Season 01/Fireside Chats - s01e01.mp4",
  "tv/Fireside Chats/Season 01/Fireside Chats - s01e02.mp4",
  "tv/Fireside Chats/Season 01/Fireside Chats - s01e03.mp4",
] as const;

/**
 * Makes a small library in a temporary directory, with caches that the product itself recorded, and lets it rot:
 * a film and an episode are deleted, a film moves, one is replaced. Returns its path.
 */
export async function makeSample(context: Context): Promise<string> {
  const library = mkdtempSync(join(tmpdir(), "cache-ops-sample-"));
  const record = await operationNamed("record");
  if (record === undefined) throw new Error("there is no operation record");
  for (const name of MOVIES) {
    const media = join(library, name);
    mkdirSync(dirname(media), { recursive: true });
    writeFileSync(media, `sample of ${name}`);
    await invoke(record, { media }, context);
  }
  rmSync(join(library, MOVIES[1]));
  rmSync(join(library, MOVIES[5]));
  const archive = join(library, "movies", "Archive");
  mkdirSync(archive);
  renameSync(join(library, MOVIES[2]), join(archive, "The General (1926).mp4"));
  writeFileSync(join(library, MOVIES[3]), "a longer sample, written later");
  return library;
}
