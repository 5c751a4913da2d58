import { lstat } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { platform } from "node:process";

import type { Context } from "../../../context.ts";
import { CacheOpsError, errnoOf } from "../../../errors.ts";
import { isConfined } from "../../../library.ts";

/** What a user's own places depend on. */
export interface UserPlaces {
  readonly platform: NodeJS.Platform;
  readonly home: string;
  /** What the environment names: XDG_CACHE_HOME, or on Windows LOCALAPPDATA or APPDATA. */
  readonly cacheHome: string | undefined;
}

/**
 * Where media-audit keeps its cache when it is not told otherwise, its place of today first. Before 2025-08-29 it was
 * the same on every system.
 */
export function defaultPlaces({ platform, home, cacheHome }: UserPlaces): string[] {
  const old = join(home, ".cache", "media-audit");
  if (platform === "darwin") return [join(home, "Library", "Caches", "media-audit"), old];
  if (platform === "win32") return [join(cacheHome || join(home, "AppData", "Local"), "media-audit", "cache"), old];
  return [...new Set([join(cacheHome || join(home, ".cache"), "media-audit"), old])];
}

/**
 * The caches of media-audit to look after: those configured, else what is found at its default places. Somebody who is
 * confined to what is configured gets the latter only.
 *
 * Throws `invalid_input` for a configured place that is not absolute.
 */
export async function mediaAuditPlaces(context: Context): Promise<string[]> {
  const { mediaAudit } = context.configuration.probe;
  if (mediaAudit.length > 0) return [...new Set(mediaAudit.map(absolute))];
  const places = defaultPlaces({ platform, home: homedir(), cacheHome: context.cacheHome });
  const found: string[] = [];
  for (const place of places) {
    if ((await isCache(place)) && (await isConfined([place], context))) found.push(place);
  }
  return found;
}

function absolute(place: string): string {
  if (isAbsolute(place)) return resolve(place);
  throw new CacheOpsError("invalid_input", `configuration: probe.mediaAudit: "${place}" is not an absolute path`, {
    hint: "Write the whole path; ~ is not expanded.",
  });
}

/** Whether somebody keeps a cache there. A place that cannot be looked at counts: what is wrong is reported later. */
async function isCache(place: string): Promise<boolean> {
  for (const name of ["probe", "scan"]) {
    try {
      if ((await lstat(join(place, name))).isDirectory()) return true;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      if (errno !== "ENOENT" && errno !== "ENOTDIR") return true;
    }
  }
  return false;
}

/** Where an environment says that caches lie, for {@link UserPlaces}; absolute paths only, as others depend on the cwd. */
export function cacheHomeIn(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const named = platform === "win32" ? [env["LOCALAPPDATA"], env["APPDATA"]] : [env["XDG_CACHE_HOME"]];
  return named.find((place) => place !== undefined && isAbsolute(place));
}
