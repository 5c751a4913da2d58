import { Type, type Static } from "typebox";

import { Description, describe, describeNoted } from "../caches/probe/describe.ts";
import type { ProbeWishes } from "../caches/probe/get-or-probe.ts";
import { openProbeCache } from "../caches/probe/open.ts";
import { probeMany, type ProbedMedia } from "../caches/probe/probe-many.ts";
import type { StoredFile } from "../caches/probe/stored.ts";
import { seeTree } from "../caches/probe/tree.ts";
import type { Context } from "../context.ts";
import { CacheOpsError, ERRNO_HINTS } from "../errors.ts";
import { Trouble } from "../finding.ts";
import { resolveRoots } from "../library.ts";
import { defineOperation } from "../operation.ts";
import { presenceOf } from "../presence.ts";
import { printable } from "../printable.ts";
import { parseDuration } from "../units.ts";
import { count } from "../view.ts";
import { mediaCells, MEDIA_COLUMNS } from "./probe-view.ts";

const Probed = Type.Object(
  {
    path: Type.String(),
    state: Type.Enum(["probed", "failed"]),
    partial: Type.Boolean({
      description: "Whether this is only what mediabox noted: null is what it did not. Detail full probes the file.",
    }),
    cached: Type.Boolean({ description: "Whether this was known from the cache." }),
    at: Type.String({ description: "When it was probed." }),
    rule: Type.Union([Type.String(), Type.Null()], { description: "Why it failed." }),
    message: Type.Union([Type.String(), Type.Null()]),
    media: Type.Union([Description, Type.Null()]),
    data: Type.Optional(Type.Unknown({ description: "ffprobe's own answer, with detail full." })),
  },
  { additionalProperties: false },
);

/** Looks into media with ffprobe, through the probe cache. */
export const probe = defineOperation({
  name: "probe",
  title: "Probe media",
  description:
    "Says what ffprobe finds in media files: codecs, HDR, bit depth, channels, and remembers it until the file changes.",
  effect: "read",
  input: Type.Object(
    {
      paths: Type.Array(Type.String({ minLength: 1, maxLength: 4096, pattern: "^[^\\u0000]*$" }), {
        minItems: 1,
        description: "Media files or directories (absolute), or names of libraries.",
      }),
      refresh: Type.Optional(Type.Boolean({ description: "Probe again, whatever is known." })),
      noCache: Type.Optional(Type.Boolean({ description: "Do not use the probe cache." })),
      detail: Type.Optional(
        Type.Enum(["concise", "full"], { default: "concise", description: "full: with ffprobe's own answers." }),
      ),
    },
    { additionalProperties: false },
  ),
  positional: "paths",
  output: Type.Object(
    {
      probed: Type.Integer({ description: "Files that are media." }),
      failed: Type.Integer({ description: "Files that ffprobe could make nothing of." }),
      cached: Type.Integer({ description: "Files of both that were known from the cache." }),
      partial: Type.Integer({ description: "Files of these of which only a part is known, as mediabox noted it." }),
      missing: Type.Union([Type.String(), Type.Null()], { description: "Why ffprobe could not be started." }),
      files: Type.Array(Probed),
      errors: Type.Array(Trouble, { description: "What could not be looked at." }),
    },
    { additionalProperties: false },
  ),
  rows: "files",
  async run({ paths, refresh, noCache, detail }, context) {
    const roots = await resolveRoots(paths, context);
    const cache = noCache === true ? undefined : await openProbeCache(context);
    const found: Found = { files: [], errors: [], missing: undefined };
    try {
      const isFull = detail === "full";
      const wishes = { cache, refresh: refresh === true, isFull, accepts: () => !isFull };
      for (const root of roots) await probeRoot(root, wishes, found, context);
    } finally {
      await cache?.close();
    }
    const { files, errors, missing } = found;
    if (missing !== undefined && files.length === 0) throw missing;
    return {
      probed: files.filter(({ state }) => state === "probed").length,
      failed: files.filter(({ state }) => state === "failed").length,
      cached: files.filter(({ cached }) => cached).length,
      partial: files.filter(({ partial }) => partial).length,
      missing: missing === undefined ? null : `${missing.message}. ${missing.hint ?? ""}`,
      files,
      errors,
    };
  },
  outcome({ missing, failed, errors }) {
    if (missing !== null) return "unavailable";
    return failed + errors.length > 0 ? "partial" : "ok";
  },
  view({ probed, failed, cached, partial, missing, files, errors }) {
    const inPart = `${count(partial, "file is", "files are")} known only as far as mediabox noted it; ask for full detail to probe.`;
    return {
      title: `${count(probed, "media file")} probed${failed === 0 ? "" : `, ${failed} failed`}.`,
      facts: [["From the cache", String(cached)]],
      table: {
        columns: ["File", ...MEDIA_COLUMNS, "Cached"],
        rows: files.map((file) => [printable(file.path), ...mediaCells(file), cachedCell(file)]),
      },
      notes: [
        ...(partial === 0 ? [] : [inPart]),
        ...(missing === null ? [] : [printable(missing)]),
        ...errors.map(({ path, message }) => `${printable(path)}: ${message}`),
      ],
    };
  },
});

function cachedCell({ partial, cached }: Static<typeof Probed>): string {
  if (partial) return "in part";
  return cached ? "yes" : "no";
}

interface Wishes extends ProbeWishes {
  readonly isFull: boolean;
}

interface Found {
  readonly files: Static<typeof Probed>[];
  readonly errors: Trouble[];
  missing: CacheOpsError | undefined;
}

async function probeRoot(root: string, wishes: Wishes, found: Found, context: Context): Promise<void> {
  const presence = await presenceOf(root, parseDuration(context.configuration.timeLimit));
  if (presence.state === "gone") {
    throw new CacheOpsError("not_found", `${printable(root)} does not exist`, {
      hint: "Check the spelling. If it is on a mount, mount it.",
    });
  }
  if (presence.state === "unknown") {
    const message = ERRNO_HINTS[presence.errno] ?? "It could not be looked at.";
    found.errors.push({ path: root, code: presence.errno, message });
    return;
  }
  const { stats } = presence;
  if (stats.isDirectory()) return probeDirectory(root, wishes, found, context);
  if (!stats.isFile()) {
    throw new CacheOpsError("invalid_input", `${printable(root)} is neither a file nor a directory`, {
      hint: "Give a media file, or a directory of them.",
    });
  }
  const { media, missing } = await probeMany(
    [{ path: root, size: stats.size, mtimeNs: stats.mtimeNs }],
    wishes,
    context,
  );
  found.missing ??= missing;
  found.files.push(...media.flatMap((file) => rowOf(file, wishes.isFull)));
}

async function probeDirectory(root: string, wishes: Wishes, found: Found, context: Context): Promise<void> {
  const { cache, refresh, isFull } = wishes;
  const { media, digest, troubles } = await seeTree(root, context);
  found.errors.push(...troubles);
  const known =
    refresh === true || isFull || digest === undefined ? undefined : await cache?.getDirectory(root, digest);
  if (known !== undefined) {
    found.files.push(...known.map((file) => ({ ...file, at: new Date(file.at).toISOString(), cached: true })));
    return;
  }
  const { media: probed, missing } = await probeMany(media, wishes, context);
  found.missing ??= missing;
  found.files.push(...probed.flatMap((file) => rowOf(file, isFull)));
  const stored = probed.flatMap((file) => storedOf(file));
  if (digest !== undefined && stored.length === media.length) await cache?.setDirectory(root, digest, stored);
}

function storedOf({ path, got }: ProbedMedia): StoredFile[] {
  if (got === undefined) return [];
  const { result, at } = got;
  if (result.state === "failed") {
    const { state, rule, message } = result;
    return [{ path, at, state, partial: false, rule, message, media: null }];
  }
  const partial = result.state === "partial";
  const media = partial ? describeNoted(result.values) : describe(result.data);
  return [{ path, at, state: "probed", partial, rule: null, message: null, media }];
}

function rowOf(file: ProbedMedia, isFull: boolean): Static<typeof Probed>[] {
  return storedOf(file).map((stored) => ({
    ...stored,
    at: new Date(stored.at).toISOString(),
    cached: file.got?.cached === true,
    ...(isFull && file.got?.result.state === "probed" ? { data: file.got.result.data } : {}),
  }));
}
