import { createHash } from "node:crypto";
import { deflateRawSync, inflateRawSync } from "node:zlib";

import { Type, type Static, type TSchema } from "typebox";

import { errnoOf } from "../../errors.ts";
import { matches } from "../../validate.ts";
import { ProbedValues } from "../directory/probed-fields.ts";
import { Description } from "./describe.ts";
import { bringForward } from "./migrate.ts";
import type { CachedProbe } from "./probe-cache.ts";

const Properties = Type.Record(Type.String(), Type.Unknown());

/** A probe result as every layer of the cache stores it. */
const StoredResult = Type.Union([
  Type.Object({
    state: Type.Literal("probed"),
    data: Type.Object({ streams: Type.Array(Properties), format: Properties }),
  }),
  Type.Object({
    state: Type.Literal("failed"),
    rule: Type.Enum(["not_media", "time_limit", "output_limit", "crashed", "invalid_output"]),
    message: Type.String(),
  }),
  Type.Object(
    { state: Type.Literal("partial"), writer: Type.Enum(["mediabox", "other"]), values: ProbedValues },
    { additionalProperties: false },
  ),
]);

/** What is known of one media file of a directory, without the raw answer. */
export const StoredFile = Type.Object(
  {
    path: Type.String(),
    state: Type.Enum(["probed", "failed"]),
    partial: Type.Boolean({ description: "Whether only a part is known of it, as another program noted it." }),
    at: Type.Integer({ description: "When it was probed, in milliseconds since 1970." }),
    rule: Type.Union([Type.String(), Type.Null()]),
    message: Type.Union([Type.String(), Type.Null()]),
    media: Type.Union([Description, Type.Null()]),
  },
  { additionalProperties: false },
);
export type StoredFile = Static<typeof StoredFile>;

/** Everything the media files of a directory were found to be. */
const StoredFiles = Type.Array(StoredFile);

/** Version of what is stored: a hash of its schemas, so that it changes by itself when they do. Eight hex digits. */
export const SCHEMA_VERSION = createHash("sha256")
  .update(JSON.stringify([StoredResult, StoredFiles], (key, value: unknown) => (key === "description" ? "" : value)))
  .digest("hex")
  .slice(0, 8);

/** More than this a stored value never unpacks to: a stored answer of ffprobe has at most 16 MiB. */
const MAX_BYTES = 64 * 1024 * 1024;

/** A value as it is stored: JSON, deflated. */
export function pack(value: unknown): Buffer {
  return deflateRawSync(JSON.stringify(value));
}

/**
 * What was stored by a version of the schema, brought to today's; `undefined` when the bytes are damaged or say
 * something else. A version that is not known is taken as it is where it fits.
 */
export function unpackResult(bytes: Uint8Array, schema: string): CachedProbe["result"] | undefined {
  const value = bringForward("result", unpack(bytes), schema);
  return fits(StoredResult, value) ? value : undefined;
}

/** The same for the files of a directory. */
export function unpackFiles(bytes: Uint8Array, schema: string): readonly StoredFile[] | undefined {
  const value = bringForward("files", unpack(bytes), schema);
  return fits(StoredFiles, value) ? value : undefined;
}

function fits<S extends TSchema>(schema: S, value: unknown): value is Static<S> {
  return value !== undefined && matches(schema, value);
}

function unpack(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(inflateRawSync(bytes, { maxOutputLength: MAX_BYTES }).toString("utf8"));
  } catch (error) {
    const isDamage =
      error instanceof SyntaxError || /^(Z_|ERR_BUFFER_TOO_LARGE|ERR_STRING_TOO_LONG)/.test(errnoOf(error) ?? "");
    if (!isDamage) throw error;
    return undefined;
  }
}
