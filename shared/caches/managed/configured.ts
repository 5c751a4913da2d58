import { realpath } from "node:fs/promises";
import { isAbsolute, resolve } from "node:path";

import { isInside } from "../../anchor.ts";
import type { Context } from "../../context.ts";
import { CacheOpsError, errnoOf } from "../../errors.ts";
import { printable } from "../../printable.ts";
import { withTimeLimit } from "../../time-limit.ts";
import { parseDuration } from "../../units.ts";
import type { ManagedCache } from "./settings.ts";

/**
 * The managed cache that is meant: the one of this name; without a name, the one whose root holds an absolute path (the
 * innermost), or the only one there is.
 *
 * Throws `not_found` when none is configured, `invalid_input` when it is not clear which, `forbidden` for a path that
 * lies in none.
 */
export async function managedCacheFor(
  name: string | undefined,
  path: string | undefined,
  context: Context,
): Promise<ManagedCache> {
  const { managed } = context.configuration;
  const [first, second] = managed;
  if (first === undefined) {
    throw new CacheOpsError("not_found", "no managed cache is configured", {
      hint: "Describe one under `managed` in the configuration: its name, its root and its quota.",
    });
  }
  const known = { hint: `Managed caches: ${managed.map((cache) => cache.name).join(", ")}.` };
  if (name !== undefined) {
    const named = managed.find((cache) => cache.name === name);
    if (named !== undefined) return named;
    throw new CacheOpsError("invalid_input", `"${printable(name)}" is no managed cache`, known);
  }
  if (path !== undefined && isAbsolute(path)) {
    const holding = await holdersOf(resolve(path), managed, context);
    const [innermost] = holding.toSorted((a, b) => b.root.length - a.root.length);
    if (innermost !== undefined) return innermost;
    throw new CacheOpsError("forbidden", `${printable(path)} lies in no managed cache`, known);
  }
  if (second === undefined) return first;
  throw new CacheOpsError("invalid_input", "it is not clear which managed cache is meant", {
    hint: `Name one with \`cache\`, or give an absolute path. ${known.hint}`,
  });
}

/** The caches in whose root a path lies, as the root is written or with links resolved. */
async function holdersOf(path: string, managed: readonly ManagedCache[], context: Context): Promise<ManagedCache[]> {
  const holding: ManagedCache[] = [];
  for (const cache of managed) {
    if (isInside(resolve(cache.root), path) || isInside(await realRootOf(cache, context), path)) holding.push(cache);
  }
  return holding;
}

/** Where the root of a managed cache really is. One that cannot be looked at stands for itself. */
export async function realRootOf({ root }: Pick<ManagedCache, "root">, { configuration }: Context): Promise<string> {
  try {
    return await withTimeLimit(() => realpath(root), parseDuration(configuration.timeLimit), root);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return resolve(root);
  }
}
