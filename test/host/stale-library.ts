import { renameSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";

import { copyLibrary } from "../support/library.ts";

/** A copy of the library that the real mediabox made, with four entries gone stale and one whose media changed. */
export function makeStaleLibrary(): string {
  const library = copyLibrary();
  const movies = join(library, "movies");
  rmSync(join(movies, "AV1 (2023)", "AV1 (2023).mkv"));
  rmSync(join(movies, "Names", "-dash first.mkv"));
  rmSync(join(movies, "Names", 'It\'s a "quoted" name.mkv'));
  const cover = "Cover art (2013).mp4";
  renameSync(join(movies, "Cover art (2013)", cover), join(movies, "FFV1 410p (2000)", cover));
  utimesSync(join(movies, "No audio (1925)", "No audio (1925).mp4"), 1e9, 1e9);
  return library;
}
