import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Dice } from "./dice.ts";
import { CACHE, entryFor, writeCache, writeMedia } from "./library.ts";
import { makeDirectory, makePlace } from "./place.ts";

/** The moment for which odd libraries are made: what is old there, is old by then. */
export const ODD_NOW = Date.UTC(2026, 5, 1);
const OLD = ODD_NOW / 1000 - 10 * 86_400;

/** What may be odd about a directory with the media `a.mkv` and `b.mkv` and an entry for each. */
export const ODDITIES: readonly ((directory: string, dice: Dice) => void)[] = [
  () => undefined,
  (directory) => rmSync(join(directory, "b.mkv")),
  (directory) => rmSync(directory, { recursive: true }),
  (directory) => writeMedia(directory, "a.mkv", "longer than it was"),
  (directory) => utimesSync(join(directory, "a.mkv"), 1_700_000_000, 1_700_000_000),
  (directory) => {
    const [old, now] = [entryFor(join(directory, "a.mkv")), writeMedia(directory, "a.mkv", "another", 1_700_000_001)];
    writeCache(directory, [old, entryFor(now)]);
  },
  (directory) => altered(directory, '"a.mkv"', '"c.mkv"'),
  (directory) => altered(directory, '"b.mkv"', '"A.MKV"', true),
  (directory) => altered(directory, '"file_name": "b.mkv"', '"file_path": "/media/b.mkv"'),
  (directory) => altered(directory, '"file_name": "b.mkv"', '"file_name": "../b.mkv"', true),
  (directory) => altered(directory, '"file_name": "b.mkv"', '"file_name": null', true),
  (directory) => altered(directory, '"file_name": "b.mkv"', '"file_name": "b.mkv", "file_name": "a.mkv"'),
  (directory) => altered(directory, '"file_name": "a.mkv"', '"file\\u005fname": "a.mkv"'),
  (directory) => altered(directory, '"codec_video": "h264"', '"codec_video": {"file_name": ["x"]}'),
  (directory) => altered(directory, "a.mkv", "\\u0061.mkv"),
  (directory) => altered(directory, "a.mkv", "\\ud83d.mkv", true),
  (directory) => altered(directory, /"[0-9a-f]{64}": \{/, '"not a fingerprint": {'),
  (directory) => altered(directory, /\{\n/, '{ "x": 1,\n'),
  (directory) => altered(directory, "h264", "\t"),
  (directory) => altered(directory, "}\n}", "}"),
  (directory) => {
    const entry = entryFor(join(directory, "a.mkv"));
    writeCache(directory, [entry, entryFor(join(directory, "b.mkv")), entry]);
  },
  (directory) => writeFileSync(join(directory, CACHE), ""),
  (directory) => writeFileSync(join(directory, CACHE), "{}"),
  (directory) => writeFileSync(join(directory, CACHE), Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])),
  (directory) => rmSync(join(directory, CACHE)),
  (directory) => {
    rmSync(join(directory, CACHE));
    mkdirSync(join(directory, CACHE));
  },
  (directory) => {
    rmSync(join(directory, CACHE));
    execFileSync("mkfifo", [join(directory, CACHE)]);
  },
  (directory) => {
    rmSync(join(directory, CACHE));
    symlinkSync("/etc/hostname", join(directory, CACHE));
  },
  (directory) => {
    rmSync(join(directory, CACHE));
    symlinkSync("nowhere", join(directory, CACHE));
  },
  (directory) => {
    rmSync(join(directory, CACHE));
    symlinkSync(join("..", "plain", CACHE), join(directory, CACHE));
  },
  (directory) => {
    rmSync(join(directory, "a.mkv"));
    symlinkSync("nowhere", join(directory, "a.mkv"));
  },
  (directory) => {
    rmSync(join(directory, "a.mkv"));
    symlinkSync("/outside/of/it", join(directory, "a.mkv"));
  },
  (directory) => {
    rmSync(join(directory, "a.mkv"));
    symlinkSync("b.mkv", join(directory, "a.mkv"));
  },
  (directory) => {
    rmSync(join(directory, "a.mkv"));
    mkdirSync(join(directory, "a.mkv"));
  },
  (directory) => writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xe9, 0x2e, 0x6d])]), ""),
  (directory) => symlinkSync("..", join(directory, "loop")),
  (directory) => old(directory, `${CACHE}.tmp`, "{}"),
  (directory) => {
    rmSync(join(directory, CACHE));
    old(directory, `${CACHE}.tmp`, "{}");
  },
  (directory) => old(directory, ".cache-ops-run-1.tmp", "half"),
  (directory) => old(directory, "a.mkv.lock", JSON.stringify({ hostname: "x", pid: 1, timestamp: OLD })),
  (directory) => writeFileSync(join(directory, "a.mkv.lock"), ""),
  (directory) => writeFileSync(join(directory, "Cargo.lock"), "[[package]]"),
  (directory) => {
    mkdirSync(join(directory, `${CACHE}.cache-ops-lock`));
    utimesSync(join(directory, `${CACHE}.cache-ops-lock`), OLD, OLD);
  },
  (directory, dice) => {
    const home = makeDirectory(directory, "..", `home ${dice.below(5)}`);
    execFileSync("mv", [join(directory, "b.mkv"), join(home, "b.mkv")]);
  },
  (directory) => {
    const path = writeMedia(directory, "Café 日本.mkv", "x", 1_600_000_000);
    writeCache(directory, [entryFor(path)]);
  },
  (directory) => {
    const path = writeMedia(directory, "Cafe\u0301.mkv", "x", -1.25);
    writeCache(directory, [
      entryFor(path),
      entryFor(path)
        .replaceAll("e\\u0301", "\\u00e9")
        .replaceAll(/[0-9a-f]{64}/g, "f".repeat(64)),
    ]);
  },
];

/** Writes the cache anew with a change in it; with `isOther`, of an entry whose key is not that of a file here. */
function altered(directory: string, from: string | RegExp, to: string, isOther = false): void {
  const entries = ["a.mkv", "b.mkv"].map((name) => entryFor(join(directory, name)));
  const text = `{\n  ${entries.join(",\n  ")}\n}`.replace(from, to);
  writeFileSync(join(directory, CACHE), isOther ? text.replaceAll(/(?<=[0-9a-f]{63})[0-9a-f]/g, "0") : text);
}

function old(directory: string, name: string, text: string): void {
  writeFileSync(join(directory, name), text);
  utimesSync(join(directory, name), OLD, OLD);
}

/** A library in which every oddity occurs several times, at several depths, beside directories in order. */
export function makeOddLibrary(dice: Dice): string {
  const root = makePlace("odd");
  const parents = [root];
  const make = (index: number, oddity: (typeof ODDITIES)[number]) => {
    const directory = makeDirectory(dice.pick(parents), `d${index}`);
    if (dice.chance(0.2)) parents.push(makeDirectory(directory, "below"));
    // Of one size and time, so that many entries fit several directories: what moved is found more than once.
    const media = ["a.mkv", "b.mkv"].map((name) => writeMedia(directory, name, "x".repeat(1 + dice.below(3))));
    writeCache(
      directory,
      media.map((path) => entryFor(path)),
    );
    oddity(directory, dice);
  };
  for (const parent of [root, makeDirectory(root, "deep", "er")]) {
    const media = writeMedia(makeDirectory(parent, "plain"), "plain.mkv");
    writeCache(join(parent, "plain"), [entryFor(media)]);
  }
  parents.push(join(root, "deep", "er"));
  for (let index = 0; index < ODDITIES.length * 4; index += 1)
    make(index, ODDITIES[index % ODDITIES.length] ?? (() => undefined));
  return root;
}
