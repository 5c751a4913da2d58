import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";

import { CACHE, entryFor, makeMovies, writeCache, writeMedia } from "../../support/library.ts";
import { makePlace } from "../../support/place.ts";

/** In keys, names of media and contents outside of the library: where it shows, something was read there. */
export const MARKER = "TOPSECRET";

/**
 * A library `media` between neighbours whose caches tell a secret. All of it lies in `place`; links in the library
 * lead out of it in every way.
 */
export function makePathScene() {
  const place = makePlace("paths");
  const library = join(place, "media");
  makeMovies(join(library, "films"), ["Here.mkv", "Gone.mkv"]);
  rmSync(join(library, "films/Gone.mkv"));
  makeMovies(join(library, "shows"), ["Show.mkv"]);
  for (const name of ["media2", "media ", "media.", "Media", "medi", "secret", "secret/media", ".media"]) {
    makeSecret(join(place, name));
  }
  const links: Record<string, string> = {
    out: "../secret",
    absolute: join(place, "secret"),
    twin: "../media2",
    up: "..",
    slash: "/",
    "proc-root": "/proc/self/root",
    loop: "loop",
    "films/nested": "../../secret",
    "films/to-link": "nested",
    dangling: "../secret/nothing",
  };
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(library, name));
  mkdirSync(join(library, "linked"));
  symlinkSync(`../../secret/${CACHE}`, join(library, "linked", CACHE));
  writeMedia(join(library, "linked"), "film.mkv");
  mkdirSync(join(library, "file-link"));
  symlinkSync("../../secret/film.mkv", join(library, "file-link/film.mkv"));
  return { place, library };
}

/** A directory whose cache tells the secret. */
export function makeSecret(directory: string): void {
  const media = writeMedia(directory, "film.mkv", MARKER);
  const gone = writeMedia(directory, `${MARKER} gone.mkv`, MARKER);
  const key = `${MARKER}0123456789abcdef`;
  writeCache(directory, [
    entryFor(media, [["codec_audio", `"${MARKER}"`]]),
    entryFor(gone).replace(/"[0-9a-f]{32}"/g, `"${key}"`),
  ]);
  rmSync(gone);
}

/** Every path one might try in order to get from `library` to something outside of it. */
export function pathAttacks(library: string): string[] {
  const place = dirname(library);
  const outside = ["secret", "media2", "media ", "media.", "Media", "medi", ".media", "secret/media", ".", "nothing"];
  const reached = outside.flatMap((name) => {
    const target = join(place, name);
    const way = relative(library, target);
    const up = relative(library, "/") + target;
    const written = [
      target,
      `${library}/${way}`,
      `${library}/films/../${way}`,
      `${library}//${way}`,
      `${library}/./${way}`,
      `${library}/films/../../media/${way}`,
      `${library}/nothing/../${way}`,
      `${library}/${up}`,
      way,
      `./${way}`,
      `movies/${way}`,
      `file://${target}`,
      `${target}/`,
      `${target}/.`,
      `/${target}`,
      `///${target}`,
      `/proc/self/root${target}`,
      `/proc/self/cwd/${relative("/", target)}`,
      `/proc/thread-self/root${target}`,
      `/dev/fd/../../..${target}`,
      `\\\\?\\${target}`,
      target.replaceAll("/", "\\"),
      `C:${target}`,
      `${library}\\..\\${name}`,
      `${library}/${way}:stream`,
    ];
    return written;
  });
  const byLink = ["out", "absolute", "twin", "up", "slash", "proc-root", "films/nested", "films/to-link", "dangling"];
  const linked = byLink.flatMap((link) =>
    ["", "/", "/.", "/..", "/nothing", "/film.mkv", "/../secret", "/films/../../secret", "/../media2"].map(
      (tail) => `${library}/${link}${tail}`,
    ),
  );
  const dots = [
    "..",
    "%2e%2e",
    "%252e%252e",
    "..%00",
    ".%2e",
    "。。",
    "․․",
    "..\u200b",
    "..\u202e",
    "\u202e..",
    "…",
    ".. ",
    " ..",
    "..;",
    "..\\",
    "..\n",
    "..%c0%af",
    "~",
    "$HOME",
    "`id`",
    "$(id)",
    "{..,films}",
    "..*",
    "?.",
    "[.][.]",
  ];
  const encoded = dots.flatMap((up) => [
    `${library}/${up}/secret`,
    `${library}/${up}/${up}`,
    `${up}/secret`,
    `${library}${up}/secret`,
    `movies/${up}`,
  ]);
  const globs = ["*", "**", "{secret,media}", "m*", "?????", "[ms]*", "!(media)", "+(secret)", "@(secret|media)"];
  const patterns = globs.flatMap((glob) => [`${place}/${glob}`, `${library}/../${glob}`, glob, `${library}/${glob}`]);
  const odd = [
    "/",
    "//",
    "/.",
    "/..",
    "/etc",
    "/etc/passwd",
    "/proc/self/environ",
    "/proc/1/root",
    "/dev/stdin",
    "/dev/zero",
    "",
    ".",
    "..",
    " ",
    "\t",
    "\0",
    `${library}\0`,
    `${library}\0/../secret`,
    `${place}/secret\0`,
    "movies\0",
    "Movies",
    "movies ",
    " movies",
    "movies/",
    "movies/..",
    "MOVIES",
    "movies\n",
    "mоvies",
    "movies\u200b",
    "__proto__",
    "constructor",
    "toString",
    "libraries",
    "*",
    "null",
    "-rf",
    "--root=/",
    "~root",
    "~",
    "\ud800",
    `${library}\udfff`,
    `${library}/\ud83d`,
    `${library}\u202e`,
    `${library}/\u202eterces/..`,
    `/${"a".repeat(4095)}`,
    `/${"a".repeat(4096)}`,
    `${library}/${"a".repeat(255)}`,
    `${library}/${"a".repeat(256)}`,
    `${library}/${"../".repeat(1300)}secret`,
    `${library}/${"films/../".repeat(400)}../secret`,
    `${library}/${"./".repeat(1900)}../secret`,
    "é".repeat(3000),
    `${library}/${"a/".repeat(2000)}`,
    `${library}/films/../../media/../media2`,
    `${library}twin`,
    `${library}/loop/..`,
    `${library}/loop`,
    `${library}/films/Here.mkv/../../../secret`,
    `${library}/films/Here.mkv/x`,
    `${library}/../${basename(library)}2`,
  ];
  return [...new Set([...reached, ...linked, ...encoded, ...patterns, ...odd])];
}
