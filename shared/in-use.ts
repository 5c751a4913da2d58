import { surplusOf } from "./caches/directory/leftovers.ts";
import type { Context } from "./context.ts";
import { resolveRoots } from "./library.ts";
import { healthyAmong } from "./roots.ts";
import { rootsOf } from "./passport.ts";
import { parseDuration } from "./units.ts";
import { walk } from "./walk.ts";

/** In how many directories of the configured libraries mediabox is at work, on whatever host: by its locks. Only reads. */
export async function countInUse(context: Context): Promise<number> {
  if (context.configuration.libraries.length === 0) return 0;
  const { passports } = await healthyAmong(await resolveRoots([], context), false, context);
  const timeLimitSeconds = parseDuration(context.configuration.timeLimit);
  // What cannot be read is reported by whatever works on it.
  const options = { signal: context.signal, timeLimitSeconds, onTrouble: () => undefined };
  let directories = 0;
  await walk(rootsOf(passports), options, async (listing) => {
    if ((await surplusOf(listing, context.now(), timeLimitSeconds)).inUseBy !== undefined) directories += 1;
  });
  return directories;
}
