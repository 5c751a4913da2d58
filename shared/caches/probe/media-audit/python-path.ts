import { createHash } from "node:crypto";

import type { PathStyle } from "./pickle.ts";

/** What a path of Python is to its `str()`: segments joined, a later absolute one starting anew, `..` left alone. */
export function joinSegments(style: PathStyle, segments: readonly string[]): string {
  return style === "posix" ? joinPosix(segments) : joinWindows(segments);
}

function joinPosix(segments: readonly string[]): string {
  const from = Math.max(
    segments.findLastIndex((segment) => segment.startsWith("/")),
    0,
  );
  // POSIX gives exactly two leading slashes a meaning of their own, and pathlib keeps them.
  const root = /^\/*/.exec(segments[from] ?? "")?.[0] ?? "";
  const joined = segments.slice(from).join("/");
  return `${root.length === 2 ? "//" : root.slice(0, 1)}${components(joined, "/")}` || ".";
}

function joinWindows(segments: readonly string[]): string {
  let joined = "";
  for (const segment of segments.map((part) => part.replaceAll("/", "\\"))) {
    if (/^[A-Za-z]:|^\\\\/.test(segment)) joined = segment;
    else if (segment.startsWith("\\")) joined = `${/^[A-Za-z]:/.exec(joined)?.[0] ?? ""}${segment}`;
    else joined = joined === "" || /[:\\]$/.test(joined) ? joined + segment : `${joined}\\${segment}`;
  }
  const anchor = /^(?:[A-Za-z]:\\?|\\\\|\\)?/.exec(joined)?.[0] ?? "";
  return `${anchor}${components(joined.slice(anchor.length), "\\")}` || ".";
}

function components(path: string, separator: string): string {
  return path
    .split(separator)
    .filter((part) => part !== "" && part !== ".")
    .join(separator);
}

/** Whether a path says by itself where it leads. */
export function isAbsolutePath(style: PathStyle, path: string): boolean {
  return style === "posix" ? path.startsWith("/") : /^(?:[A-Za-z]:\\|\\\\)/.test(path);
}

/** The name, without ending, of the file in `probe/` that holds the probe result of this absolute path. */
export function probeKey(path: string): string {
  return md5(`probe:${path}`);
}

/** The same for a directory in `scan/`. The item type is whatever word the caller used: `movie`, `tv`. */
export function scanKey(itemType: string, path: string): string {
  return md5(`media:${itemType}:${path}`);
}

function md5(text: string): string {
  return createHash("md5").update(text, "utf8").digest("hex");
}
