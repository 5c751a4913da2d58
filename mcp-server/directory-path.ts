import { CacheOpsError, printable } from "@cache-ops/shared";

// Controls and DEL: no name of a directory that anybody means.
const CONTROL = /\p{Cc}/u;

/**
 * The directory that the rest of an address names: decoded once, as a whole, then looked at name by name. A slash may
 * stand as it is or as `%2F`. What would be taken for something else on the way to the disk is refused here.
 *
 * Throws `invalid_input` for nothing at all, an empty name (`//`, a slash at either end), `.` and `..`, backslashes,
 * control characters, and what is no percent-encoded UTF-8.
 */
export function directoryPath(encoded: string): string {
  let path: string;
  try {
    path = decodeURIComponent(encoded);
  } catch (error) {
    throw refused(encoded, "is no percent-encoded UTF-8", error);
  }
  if (path === "") throw refused(encoded, "names no directory");
  if (path.includes("\\")) throw refused(path, "holds a backslash");
  if (CONTROL.test(path)) throw refused(path, "holds a control character");
  const names = path.split("/");
  if (names.includes("")) throw refused(path, "holds an empty name");
  if (names.includes(".") || names.includes("..")) throw refused(path, "holds a name that is only dots");
  return path;
}

function refused(path: string, what: string, cause?: unknown): CacheOpsError {
  return new CacheOpsError("invalid_input", `"${printable(path).slice(0, 200)}" ${what}`, {
    hint: "Give the path of the directory relative to the root of its cache, each name percent-encoded.",
    cause,
  });
}
