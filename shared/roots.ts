import type { Context } from "./context.ts";
import { CacheOpsError } from "./errors.ts";
import type { Trouble } from "./finding.ts";
import { resolveRoots } from "./library.ts";
import { inspectRoot, type Passport } from "./passport.ts";
import { parseDuration } from "./units.ts";

/**
 * The roots that are in order, for an operation that looks or adds. Empty and unreadable ones are troubles.
 *
 * Throws `not_found` for a root that does not exist and `invalid_input` for one that is no directory.
 */
export async function healthyRoots(
  paths: readonly string[],
  context: Context,
): Promise<{ readonly passports: readonly Passport[]; readonly troubles: readonly Trouble[] }> {
  const limit = parseDuration(context.configuration.timeLimit);
  const passports: Passport[] = [];
  const troubles: Trouble[] = [];
  for (const root of await resolveRoots(paths, context)) {
    const found = await inspectRoot(root, limit);
    if (found.state === "healthy") passports.push(found.passport);
    else if (found.state === "missing") {
      throw new CacheOpsError("not_found", `${root} does not exist`, {
        hint: "Check the spelling. If it is a mount, mount it.",
      });
    } else if (found.state === "not_a_directory") {
      throw new CacheOpsError("invalid_input", `${root} is not a directory`, {
        hint: "Give the directory that holds the media.",
      });
    } else {
      const message = found.state === "empty" ? "this directory is empty: is its disk mounted?" : "cannot be read";
      troubles.push({ path: root, code: `root_${found.state}`, message: `${message} (${found.detail})` });
    }
  }
  return { passports, troubles };
}
