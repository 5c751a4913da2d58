import { sep } from "node:path";

import { LOCK_SUFFIX, TEMP_PATTERN } from "../../naming.ts";

/** The cache file mediabox keeps in each media directory. */
export const CACHE_NAME = ".mediabox_cache.json";
/** What mediabox writes before it replaces a cache. The name is its own: it deletes and overwrites it at will. */
export const MEDIABOX_TEMP_NAME = `${CACHE_NAME}.tmp`;

/** Whether a name may be one component of a path: not empty, no separator, no NUL, not `.` or `..`. */
export function isComponent(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !["/", "\0", sep].some((part) => name.includes(part));
}

/** What a name may turn out to be besides media and cache. */
export type SurplusRule = "our_temp" | "our_lock" | "mediabox_temp" | "mediabox_lock";

/** What a name of this type would be, going by the name alone; `undefined`: nothing of the kind. */
export function surplusRule(name: string, type: string): SurplusRule | undefined {
  if (type === "directory") return name.endsWith(LOCK_SUFFIX) ? "our_lock" : undefined;
  if (type !== "file") return undefined;
  if (TEMP_PATTERN.test(name)) return "our_temp";
  if (name === MEDIABOX_TEMP_NAME) return "mediabox_temp";
  return name.endsWith(".lock") ? "mediabox_lock" : undefined;
}
