import { dirname, isAbsolute, join, resolve } from "node:path";

import { isInside } from "../anchor.ts";
import { probeFileOf } from "../caches/probe/database.ts";
import { mediaAuditPlaces } from "../caches/probe/media-audit/places.ts";
import type { Context } from "../context.ts";
import { CacheOpsError } from "../errors.ts";
import type { Skipped } from "../plan.ts";
import { pathFilter } from "../policy.ts";
import { printable } from "../printable.ts";
import type { ArchivedFile, ArchivedRoot, Manifest } from "./manifest.ts";

/** What of a backup is wanted. */
export interface Selection {
  /** Names of libraries, or absolute directories; none: all of it. */
  readonly paths: readonly string[];
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Another directory to restore into. */
  readonly to: string | undefined;
}

/** A root of a backup with the files of it that are wanted, and the directory they go to. */
export interface SelectedRoot {
  readonly root: ArchivedRoot;
  readonly target: string;
  readonly files: readonly ArchivedFile[];
}

/**
 * Chooses what to restore, and where to. Files that patterns leave out are in `skipped`; what lies outside `paths` is
 * not mentioned.
 *
 * Throws `not_found` for a path of which the backup holds nothing, `invalid_input` for a path that is none and for a
 * `to` that several roots would share.
 */
export async function selectFiles(manifest: Manifest, wish: Selection, context: Context) {
  const audits = await mediaAuditPlaces(context);
  const areas = wish.paths.map((word) => areaOf(word, manifest));
  const outside = pathFilter(wish.include, wish.exclude);
  const skipped: Skipped[] = [];
  const wanted = manifest.files.filter((file) => {
    const root = manifest.roots[file.root];
    if (root === undefined || (areas.length > 0 && !areas.some((area) => area(root, file)))) return false;
    const rule = outside(file.path);
    if (rule !== undefined) {
      skipped.push({ cache: join(root.path, file.path), entry: null, name: null, rule, observed: file.path });
    }
    return rule === undefined;
  });
  const roots = [...Map.groupBy(wanted, ({ root }) => root)].flatMap(([number, files]): SelectedRoot[] => {
    const root = manifest.roots[number];
    return root === undefined ? [] : [{ root, target: targetOf(root, wish.to, audits, context), files }];
  });
  if (wish.to !== undefined && roots.length > 1) {
    throw new CacheOpsError("invalid_input", `${roots.length} roots of the backup cannot share one directory`, {
      hint: `Name one of them with paths: ${manifest.roots
        .map(({ path }) => printable(path))
        .slice(0, 5)
        .join(", ")}.`,
    });
  }
  return { roots, skipped };
}

/** Where the files of a root go: `to`, or where they were. Our own store belongs to the state directory in use. */
function targetOf(root: ArchivedRoot, to: string | undefined, audits: readonly string[], context: Context): string {
  if (root.holds === "probe-store") {
    if (to !== undefined) {
      throw new CacheOpsError("invalid_input", "our own store goes back to the state directory only", {
        hint: "Name a library with paths, or leave to out.",
      });
    }
    return dirname(resolve(probeFileOf(context)));
  }
  if (to !== undefined) return absolute(to, "to");
  if (root.holds === "media-audit" && !audits.includes(resolve(root.path))) {
    throw new CacheOpsError("forbidden", `${printable(root.path)} is no known cache directory of media-audit`, {
      hint: "Add it to probe.mediaAudit in the configuration, or name libraries with paths.",
    });
  }
  if (!isAbsolute(root.path)) {
    throw new CacheOpsError("invalid_input", `${printable(root.path)} is of another system`, {
      hint: "Say with to where its files go.",
    });
  }
  return resolve(root.path);
}

function areaOf(word: string, { roots, files }: Manifest): (root: ArchivedRoot, file: ArchivedFile) => boolean {
  const isLibrary = roots.some(({ library }) => library === word);
  if (!isLibrary && !isAbsolute(word)) absolute(word, "paths");
  const area = isLibrary
    ? (root: ArchivedRoot) => root.library === word
    : (root: ArchivedRoot, file: ArchivedFile) => isInside(resolve(word), join(root.path, file.path));
  const isKnown = files.some((file) => {
    const root = roots[file.root];
    return root !== undefined && area(root, file);
  });
  if (isKnown) return area;
  throw new CacheOpsError("not_found", `the backup holds nothing of ${printable(word)}`, {
    hint: `It is of ${roots
      .map(({ path }) => printable(path))
      .slice(0, 5)
      .join(", ")}.`,
  });
}

function absolute(path: string, property: string): string {
  if (isAbsolute(path)) return resolve(path);
  throw new CacheOpsError("invalid_input", `"${printable(path)}" is not an absolute path`, {
    hint: property === "to" ? "Give the whole path." : "Give the whole path, or the name of a library in the backup.",
  });
}
