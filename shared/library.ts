import { access, realpath } from "node:fs/promises";
import { isAbsolute, join, parse, relative, resolve, sep } from "node:path";

import { isInside } from "./anchor.ts";
import type { Context } from "./context.ts";
import { CacheOpsError, errnoOf } from "./errors.ts";
import { printable } from "./printable.ts";
import { withTimeLimit } from "./time-limit.ts";
import { parseDuration } from "./units.ts";

/**
 * The roots that some words stand for: names of configured libraries, or absolute directories. No words: every
 * configured library. Roots that lie inside another root of the list, also through a link, are left out, so nothing
 * is seen twice.
 *
 * Throws `invalid_input` for relative paths and when nothing is configured, `forbidden` for directories outside the
 * libraries when the caller is confined to them.
 */
export async function resolveRoots(words: readonly string[], context: Context): Promise<readonly string[]> {
  const { configuration } = context;
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
  await assertConfined(roots, context);
  const limit = parseDuration(configuration.timeLimit);
  const places = await Promise.all(roots.map(async (root) => ({ root, real: await placeOf(root, limit) })));
  return places
    .filter(
      ({ real }, index) =>
        !places.some((other, place) => isInside(other.real, real) && (other.real !== real || place < index)),
    )
    .map(({ root }) => root);
}

/**
 * Throws `forbidden` when the caller is confined to the libraries and one of the places lies outside of them and of the
 * other caches that are configured: as it is written, or with links resolved. Compared component by component.
 */
export async function assertConfined(places: readonly string[], { bounds, configuration }: Context): Promise<void> {
  if (bounds?.confined !== true) return;
  const limit = parseDuration(configuration.timeLimit);
  const roots: string[] = [];
  for (const library of configuration.libraries) roots.push(...(await expand(library.roots)));
  // Configured, too, though no library: caches of media-audit and managed ones.
  const caches = [...configuration.probe.mediaAudit, ...configuration.managed.map(({ root }) => root)];
  roots.push(...caches.filter((place) => isAbsolute(place)).map((place) => resolve(place)));
  const realRoots = await Promise.all(roots.map((root) => placeOf(root, limit)));
  for (const place of places) {
    const written = [...roots, ...realRoots].some((root) => isInside(root, place));
    const real = written ? await wayTo(place, limit) : place;
    if (written && realRoots.some((root) => isInside(root, real))) continue;
    const names = configuration.libraries.map(({ name }) => name);
    throw new CacheOpsError("forbidden", `${printable(place).slice(0, 200)} is outside the libraries`, {
      hint: names.length === 0 ? "No library is configured." : `Name a library: ${names.join(", ")}.`,
    });
  }
}

/** Whether {@link assertConfined} lets the caller look at these places. */
export async function isConfined(places: readonly string[], context: Context): Promise<boolean> {
  try {
    await assertConfined(places, context);
    return true;
  } catch (error) {
    if (error instanceof CacheOpsError && error.code === "forbidden") return false;
    throw error;
  }
}

/** Where a root really is. One that cannot be looked at stands for itself and is reported later. */
async function placeOf(root: string, timeLimitSeconds: number): Promise<string> {
  try {
    return await withTimeLimit(() => realpath(root), timeLimitSeconds, root);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return root;
  }
}

/** Where a path leads, also one whose end is not there yet: what of it exists, with links resolved, and the rest. */
async function wayTo(path: string, timeLimitSeconds: number): Promise<string> {
  let way = parse(path).root;
  const parts = relative(way, path).split(sep);
  for (const [index, part] of parts.entries()) {
    try {
      way = await withTimeLimit(() => realpath(join(way, part)), timeLimitSeconds, path);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return join(way, ...parts.slice(index));
    }
  }
  return way;
}

/** What every pattern has one of: fast-glob, slow to load, is asked only about roots that do. */
const PATTERN_SIGN = /[*?![({\\]/;

/** Configured roots may be patterns. One that exists as it is written is never read as a pattern. */
async function expand(roots: readonly string[]): Promise<string[]> {
  const expanded: string[] = [];
  for (const root of roots) {
    if (!isAbsolute(root)) {
      throw new CacheOpsError("invalid_input", `configuration: root "${root}" is not an absolute path`);
    }
    if (!PATTERN_SIGN.test(root)) {
      expanded.push(resolve(root));
      continue;
    }
    const { default: fastGlob } = await import("fast-glob");
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
