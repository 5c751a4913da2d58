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
export async function healthyRoots(paths: readonly string[], context: Context): Promise<HealthyRoots> {
  return healthyAmong(await resolveRoots(paths, context), true, context);
}

/** Roots that are in order, and what is the matter with the others. */
export interface HealthyRoots {
  readonly passports: readonly Passport[];
  readonly troubles: readonly Trouble[];
}

/** The same of roots that are known. Unless the caller named them, a missing one is a trouble, too. */
export async function healthyAmong(
  roots: readonly string[],
  isNamed: boolean,
  context: Context,
): Promise<HealthyRoots> {
  const limit = parseDuration(context.configuration.timeLimit);
  const passports: Passport[] = [];
  const troubles: Trouble[] = [];
  for (const root of roots) {
    const found = await inspectRoot(root, limit);
    if (found.state === "healthy") passports.push(found.passport);
    else if (isNamed && found.state === "missing") {
      throw new CacheOpsError("not_found", `${root} does not exist`, {
        hint: "Check the spelling. If it is a mount, mount it.",
      });
    } else if (isNamed && found.state === "not_a_directory") {
      throw new CacheOpsError("invalid_input", `${root} is not a directory`, {
        hint: "Give the directory that holds the media.",
      });
    } else {
      const message = MESSAGES[found.state];
      troubles.push({ path: root, code: `root_${found.state}`, message: `${message} (${found.detail})` });
    }
  }
  return { passports, troubles };
}

const MESSAGES = {
  empty: "this directory is empty: is its disk mounted?",
  unreadable: "cannot be read",
  missing: "this directory does not exist",
  not_a_directory: "this is not a directory",
} as const;
