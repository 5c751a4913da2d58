/** Extensions of the files mediabox's own scan takes for video, in lower case. */
const EXTENSIONS = [".mkv", ".mp4", ".avi", ".mov", ".wmv", ".flv", ".m2ts", ".m4v", ".webm"];

/** Directories below a root that mediabox's own scan passes over. A root itself may be called so. */
const SKIPPED = new Set(["music", "audiobooks", "podcasts"]);

/** What a running conversion or a foreign system leaves beside media: not media, whatever its extension says. */
const PASSING = /(^\._)|(\.tmp\.(mp4|mkv|avi|mov|mp3|m4a|flac)$)/i;

/** Whether a name is that of a media file that a scan probes. */
export function isMediaName(name: string): boolean {
  const lower = name.toLowerCase();
  return EXTENSIONS.some((extension) => lower.endsWith(extension)) && !PASSING.test(name);
}

/** Whether a scan passes over a directory of this name, with all below it. */
export function isSkippedDirectory(name: string): boolean {
  return SKIPPED.has(name.toLowerCase());
}
