import { Type } from "typebox";

import { collect } from "../archive/collect.ts";
import { placeOfArchive } from "../archive/place.ts";
import { writeCollection } from "../archive/write-collection.ts";
import { CacheOpsError } from "../errors.ts";
import { Trouble } from "../finding.ts";
import { defineOperation } from "../operation.ts";
import { printable } from "../printable.ts";
import { formatBytes } from "../units.ts";
import { count } from "../view.ts";
import { Archive, Paths } from "./input.ts";

/** Copies caches into one archive. */
export const backup = defineOperation({
  name: "backup",
  title: "Back up caches",
  description:
    "Copies the caches of libraries, never media, into one archive with the hash of every file, and reads it back. Changes no cache.",
  effect: "write",
  isExtraTool: true,
  input: Type.Object(
    {
      paths: Paths,
      archive: Archive,
      kind: Type.Optional(
        Type.Enum(["directory", "probe"], {
          description:
            "directory: caches beside media; probe: the central stores of probe results. Default: both, with paths directory.",
        }),
      ),
      overwrite: Type.Optional(Type.Boolean({ description: "Replace an earlier backup of this name." })),
    },
    { additionalProperties: false },
  ),
  positional: "paths",
  output: Type.Object(
    {
      archive: Type.String({ description: "Where it was written." }),
      createdAt: Type.String(),
      roots: Type.Integer({ minimum: 0, description: "Libraries and stores in it." }),
      files: Type.Integer({ minimum: 0, description: "Files in it, each read back and compared." }),
      bytes: Type.Integer({ minimum: 0, description: "Bytes of these files." }),
      archiveBytes: Type.Integer({ minimum: 0, description: "Bytes of the archive." }),
      sha256: Type.String({ description: "SHA-256 of the archive." }),
      errors: Type.Array(Trouble, { description: "What is not in it because it could not be read." }),
    },
    { additionalProperties: false },
  ),
  async run({ paths = [], archive, kind, overwrite = false }, context) {
    const { path, isOurs } = placeOfArchive(archive, context);
    const isConfined = context.bounds?.confined === true;
    if (isConfined && kind === "probe") {
      throw new CacheOpsError("forbidden", "the central stores lie outside the libraries", {
        hint: "Leave kind out, or give directory.",
      });
    }
    const onlyDirectories = paths.length > 0 || isConfined;
    const kinds = kind === undefined ? (onlyDirectories ? ["directory"] : ["directory", "probe"]) : [kind];
    const collection = await collect(paths, kinds, context);
    try {
      const [missing] = collection.troubles;
      if (collection.files.length === 0) {
        if (missing === undefined) {
          throw new CacheOpsError("not_found", "there is no cache to back up", { hint: "list shows what there is." });
        }
        throw new CacheOpsError("unavailable", `${missing.path}: ${missing.message}`, {
          hint: "Nothing else was found to back up. Correct this and try again.",
        });
      }
      if (missing !== undefined && overwrite) {
        throw new CacheOpsError("blocked", `${missing.path}: ${missing.message}`, {
          hint: "A backup without it does not replace an earlier one. Correct this, or take another name.",
        });
      }
      const wish = { path, overwrite, makesDirectory: isOurs };
      const { read, dropped } = await writeCollection(collection, wish, context);
      const { manifest, size, sha256 } = read;
      return {
        archive: path,
        createdAt: manifest.createdAt,
        roots: manifest.roots.length,
        files: manifest.files.length,
        bytes: manifest.files.reduce((sum, file) => sum + file.size, 0),
        archiveBytes: size,
        sha256,
        errors: [...collection.troubles, ...dropped],
      };
    } finally {
      await collection.dispose();
    }
  },
  outcome: ({ errors }) => (errors.length > 0 ? "partial" : "ok"),
  view({ archive, files, bytes, archiveBytes, roots, sha256, errors }) {
    const missing = errors.length === 0 ? "" : ` ${count(errors.length, "thing")} could not be read.`;
    return {
      title: `${count(files, "file")} backed up and verified.${missing}`,
      facts: [
        ["Archive", printable(archive)],
        ["Size", `${formatBytes(bytes)} in ${formatBytes(archiveBytes)}`],
        ["Libraries and stores", String(roots)],
        ["SHA-256", sha256],
      ],
      table: {
        columns: ["Not backed up", "Why"],
        rows: errors.map(({ path, message }) => [printable(path), printable(message)]),
      },
      notes: [`\`cache-ops restore\` with this archive shows what would be put back.`],
    };
  },
});
