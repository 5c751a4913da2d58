import { join } from "node:path";

import { CACHE_NAME } from "../../shared/caches/directory/names.ts";
import { contentOf } from "../../shared/file.ts";
import { writeArchive } from "../../shared/archive/write.ts";

/*
 * A process that begins to write a backup and never gets on: `backup-writer DIRECTORY`. It says "writing" when
 * its temporary file is there, and lives until it is killed.
 */

const [directory = ""] = process.argv.slice(2);
const file = { root: 0, path: CACHE_NAME, ...contentOf(Buffer.alloc(1)), mode: 0o644, uid: 0, gid: 0, mtimeNs: "0" };

setInterval(() => undefined, 60_000);
await writeArchive(
  {
    path: join(directory, "never.tar.gz"),
    overwrite: false,
    makesDirectory: false,
    manifest: {
      format: "cache-ops-backup",
      version: 1,
      createdAt: "",
      roots: [{ holds: "directory", path: "/films", library: null }],
      files: [file],
    },
    bytesOf: async () => {
      process.stdout.write("writing\n");
      return Promise.withResolvers<Buffer>().promise;
    },
  },
  { signal: new AbortController().signal, progress: () => undefined },
);
