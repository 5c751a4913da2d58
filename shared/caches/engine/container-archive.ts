import { pipeline } from "node:stream/promises";

import { CacheOpsError } from "../../errors.ts";
import { printable } from "../../printable.ts";
import type { ContainerEngine } from "./container-api.ts";
import { addUp, type ListedEntry } from "./container-listing.ts";
import type { Look, MeasureOptions } from "./container-measure.ts";

const TYPES: Readonly<Record<string, ListedEntry["type"]>> = {
  file: "file",
  link: "file",
  directory: "directory",
  symlink: "link",
};

/** Looks at a directory through the engine's archive: needs nothing in the image, carries every byte, knows no tmpfs. */
export async function listByArchive(
  engine: ContainerEngine,
  id: string,
  path: string,
  { signal, limitSeconds }: Pick<MeasureOptions, "signal" | "limitSeconds">,
): Promise<Look> {
  // A CommonJS module has but a default export once it is bundled.
  const { default: tar } = await import("tar-stream");
  let stream: NodeJS.ReadableStream;
  try {
    stream = await engine.archive(id, path);
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code !== "not_found") throw error;
    // The container, or the path in it: the first throws here.
    await engine.inspect(id);
    return { state: "absent" };
  }
  const seen: ListedEntry[] = [];
  const files = new Map<string, number>();
  const extract = tar.extract();
  extract.on("entry", ({ name, type, size, mtime, linkname }, content, next) => {
    const bytes = Buffer.from(name).toString("latin1").replace(/\/$/, "");
    // A second name of a file says whose it is and carries nothing.
    const of = type === "link" ? (linkname ?? "") : name;
    if (type === "file") files.set(name, size);
    const kind = TYPES[type ?? ""] ?? "other";
    seen.push({
      type: kind,
      size: kind === "file" ? (files.get(of) ?? 0) : 0,
      mtimeSeconds: Math.floor((mtime?.getTime() ?? 0) / 1000),
      name: bytes.includes("/") ? bytes.slice(bytes.indexOf("/") + 1) : "",
      identity: kind === "file" ? of : undefined,
    });
    content.on("end", next);
    content.resume();
  });
  try {
    await pipeline(stream, extract, { signal: AbortSignal.any([signal, AbortSignal.timeout(limitSeconds * 1000)]) });
  } catch (error) {
    if (signal.aborted) throw new CacheOpsError("interrupted", "stopped before the work was done", { cause: error });
    // Cut off, no tar, too slow: the reader's errors have no codes.
    throw new CacheOpsError("unavailable", `the archive of ${printable(path)} in ${id} did not come whole`, {
      hint: "Check that the engine is well (docker info) and try again.",
      cause: error,
    });
  }
  const own = seen[0];
  if (own === undefined) return { state: "unable", reason: "the engine's archive is empty" };
  if (own.type === "link") return { state: "unknown", reason: "it is a symbolic link; give where it leads" };
  if (own.type !== "directory") return { state: "unknown", reason: "it is no directory" };
  return { state: "listed", listing: addUp(seen) };
}
