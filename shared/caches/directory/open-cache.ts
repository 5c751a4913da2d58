import { realpath } from "node:fs/promises";
import { dirname, join } from "node:path";

import { CacheOpsError, errnoOf } from "../../errors.ts";
import { readIfThere } from "../../file.ts";
import type { Splice } from "../../splice.ts";
import { readDocument, readObject, type Member, type ObjectSpans } from "./document.ts";
import { spliceObject } from "./edit.ts";
import { CACHE_NAME, MEDIABOX_TEMP_NAME } from "./names.ts";
import { fieldText } from "./python-json.ts";

/** The cache of a directory, read to add to it. */
export interface OpenCache {
  readonly cache: string;
  readonly file: string;
  /** `undefined`: there is no cache file yet. */
  readonly bytes: Buffer | undefined;
  readonly spans: ObjectSpans | undefined;
}

/**
 * Reads the cache that belongs beside a media file (absolute path). A directory without one is fine.
 *
 * Throws `corrupt` for a cache that cannot be added to, `not_found` when the directory is not there.
 */
export async function openCache(media: string): Promise<OpenCache> {
  const cache = join(dirname(media), CACHE_NAME);
  const directory = await realDirectory(dirname(media));
  const file = await followed(join(directory, CACHE_NAME));
  const found = await readIfThere(file);
  if (found === undefined) {
    if ((await readIfThere(join(directory, MEDIABOX_TEMP_NAME))) === undefined)
      return { cache, file, bytes: undefined, spans: undefined };
    // A new cache beside it would make the temp file, which holds the entries, look abandoned.
    throw new CacheOpsError("corrupt", `${cache} is gone; only mediabox's temp file is left of it`, {
      hint: `Run \`cache-ops repair\` on ${dirname(media)} first.`,
    });
  }
  const reading = readDocument(found.bytes);
  if ("damage" in reading) {
    throw new CacheOpsError("corrupt", `${cache} is damaged (${reading.damage.rule})`, {
      hint: `Run \`cache-ops repair\` on ${dirname(media)} first.`,
    });
  }
  return { cache, file, bytes: found.bytes, spans: reading.spans };
}

/** The splices that give an entry these fields: each where it stands, new ones at the end. */
export function setFields(
  bytes: Buffer,
  member: Member,
  fields: readonly (readonly [name: string, json: string])[],
): Splice[] {
  const spans = readObject(bytes, member.value.start);
  const at = (name: string) => spans.members.findLastIndex(({ key }) => key === name);
  const edit = {
    remove: new Set<number>(),
    replace: new Map(fields.flatMap(([name, json]) => (at(name) >= 0 ? [[at(name), json] as const] : []))),
    append: fields.flatMap(([name, json]) => (at(name) >= 0 ? [] : [fieldText(name, json)])),
  };
  return spliceObject(bytes, spans, edit, "    ");
}

/** Where a cache that is a link leads; apply refuses what lies outside the library. */
async function followed(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    return path;
  }
}

async function realDirectory(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    throw new CacheOpsError("not_found", `${path} does not exist`, { hint: "Check the path of the media file." });
  }
}
