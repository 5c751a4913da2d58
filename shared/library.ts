import { access } from "node:fs/promises";
import { isAbsolute, resolve } from "node:path";

import fastGlob from "fast-glob";

import { isInside } from "./anchor.ts";
import type { Context } from "./context.ts";
import { CacheOpsError, errnoOf } from "./errors.ts";

/**
 * The roots that some words stand for: names of configured libraries, or absolute directories. No words: every
 * configured library. Roots that lie inside another root of the list are left out, so nothing is seen twice.
 *
 * Throws `invalid_input` for relative paths and when nothing is configured.
 */
export async function resolveRoots(words: readonly string[], { configuration }: Context): Promise<readonly string[]> {
  const { libraries } = configuration;
  const chosen = words.length > 0 ? words : libraries.map(({ name }) => name);
  if (chosen.length === 0) {
    throw new CacheOpsError("invalid_input", "no library was given and none is configured", {
      hint: "Name a directory, or add a library to the configuration.",
    });
  }
  const roots: string[] = [];
  for (const word of chosen) {
    const library = libraries.find(({ name }) => name === word);
    if (library !== undefined) roots.push(...(await expand(library.roots)));
    else if (isAbsolute(word)) roots.push(resolve(word));
    else {
      const known = libraries.length === 0 ? "none is configured" : libraries.map(({ name }) => name).join(", ");
      throw new CacheOpsError("invalid_input", `"${word}" is neither an absolute path nor the name of a library`, {
        hint: `Libraries: ${known}.`,
      });
    }
  }
  return roots.filter(
    (root, index) => !roots.some((other, place) => isInside(other, root) && (other !== root ? true : place < index)),
  );
}

/** Configured roots may be patterns. One that exists as it is written is never read as a pattern. */
async function expand(roots: readonly string[]): Promise<string[]> {
  const expanded: string[] = [];
  for (const root of roots) {
    if (!isAbsolute(root)) {
      throw new CacheOpsError("invalid_input", `configuration: root "${root}" is not an absolute path`);
    }
    if (!fastGlob.isDynamicPattern(root) || (await exists(root))) expanded.push(resolve(root));
    else {
      const matches = await fastGlob(root, { onlyDirectories: true, followSymbolicLinks: false, dot: true });
      // A pattern that matches nothing stays, to be reported as a missing root instead of passing in silence.
      expanded.push(...(matches.length > 0 ? matches.toSorted() : [resolve(root)]));
    }
  }
  return expanded;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}
