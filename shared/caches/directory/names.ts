import { sep } from "node:path";

/** The cache file mediabox keeps in each media directory. */
export const CACHE_NAME = ".mediabox_cache.json";
/** What mediabox writes before it replaces a cache. The name is its own: it deletes and overwrites it at will. */
export const MEDIABOX_TEMP_NAME = `${CACHE_NAME}.tmp`;

/** Whether a name may be one component of a path: not empty, no separator, no NUL, not `.` or `..`. */
export function isComponent(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !["/", "\0", sep].some((part) => name.includes(part));
}
