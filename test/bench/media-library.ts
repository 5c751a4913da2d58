import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, truncateSync, utimesSync } from "node:fs";
import { join } from "node:path";

/** How large a library is to be. */
export interface LibrarySize {
  readonly files: number;
  readonly directories: number;
  /** Distinct films that the files are copies of. */
  readonly originals: number;
}

const CODECS = [
  ["mkv", "libx264"],
  ["mp4", "mpeg4"],
  ["avi", "mpeg4"],
  ["webm", "libvpx"],
] as const;

/** Makes a library of real, tiny films that no two of have the same size and time. Returns their paths. */
export function makeMediaLibrary(root: string, { files, directories, originals }: LibrarySize): string[] {
  const films = join(root, "originals");
  mkdirSync(films, { recursive: true });
  const sources = Array.from({ length: originals }, (_, index) => makeFilm(films, index));
  const library = join(root, "library");
  return Array.from({ length: files }, (_, index) => {
    const source = sources[index % sources.length] ?? "";
    const directory = join(library, `Film ${index % directories}`);
    mkdirSync(directory, { recursive: true });
    const path = join(directory, `Film ${index}${source.slice(source.lastIndexOf("."))}`);
    copyFileSync(source, path);
    // A hole at the end costs no space, and no reader of these formats minds it.
    truncateSync(path, 200_000 + index);
    utimesSync(path, 1_600_000_000 + index * 60, 1_600_000_000 + index * 60);
    return path;
  });
}

function makeFilm(directory: string, index: number): string {
  const [extension, codec] = CODECS[index % CODECS.length] ?? CODECS[0];
  const size = `${64 + 2 * index}x${48 + 2 * (index % 7)}`;
  const path = join(directory, `${index}.${extension}`);
  const input = ["-f", "lavfi", "-i", `testsrc=size=${size}:rate=10:duration=0.5`];
  const shape = ["-c:v", codec, "-pix_fmt", "yuv420p", "-threads", "1"];
  execFileSync("ffmpeg", ["-v", "error", "-y", ...input, ...shape, path]);
  return path;
}
