import { readlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

import { isInside } from "../../anchor.ts";
import { errnoOf } from "../../errors.ts";
import type { Evidence } from "../../evidence.ts";
import type { Finding } from "../../finding.ts";
import { inFlight } from "../../in-flight.ts";
import type { Presence } from "../../presence.ts";
import type { Found } from "../../scan.ts";
import type { Listing } from "../../walk.ts";
import type { Member } from "./document.ts";
import { readEntry, type Entry } from "./entry.ts";
import { fingerprint, recordedFingerprint, sameMomentAt } from "./fingerprint.ts";
import { CACHE_NAME, isComponent } from "./names.ts";

/** The surroundings a cache is judged in. */
export interface Surroundings {
  readonly listing: Listing;
  /** Real paths of all roots: a dangling link that leads outside of them proves nothing. */
  readonly realRoots: readonly string[];
  readonly presenceOf: (path: string) => Promise<Presence>;
  /** Entries in order that were last written before this moment (ms since 1970) are `expired`. */
  readonly expiredBefore?: number | undefined;
}

/** The rule for media whose time another mount cut: probably unchanged, so its entry is never removed. */
export const TIME_CUT = "time_cut_by_another_mount";

/** The rule for media that was listed and gone a moment later: somebody is at work here, the next look decides. */
const WENT_AWAY = "went_away_meanwhile";

type Verdict = Pick<Finding, "problem" | "reason"> & { readonly evidence?: readonly Evidence[] };

/** A file beside the cache as it was looked at. */
export interface Media {
  readonly name: string;
  readonly presence: Presence;
  /** Its fingerprint; only regular files have one. */
  readonly hash: string | undefined;
}

/** So many looks at files of one directory at once: of those that hang, each keeps a thread. */
const LOOKS_AT_ONCE = 8;

/** What is known already of the entries of a cache and of the files beside it. */
export interface Known {
  /** Keys of the entries to judge, in the order of the file; the others are known to be in order. */
  readonly keys: readonly string[];
  readonly media: readonly Media[];
}

/**
 * Judges the entries of one cache file: by fingerprint first, then by name; never by `file_path` and never by the
 * current directory. Only reads. What is doubtful is `unreachable`, `changed` or `corrupt`, and so kept.
 * `entries` are the members of the file by key: of a key that occurs twice, its last occurrence.
 *
 * 1. The fingerprint is that of the file of this name: in order. 2. Of another file here: `drifted`.
 * 3. The file is there, but changed: `superseded` if it has its own entry, else `changed`.
 * 4. No such name, and the file system confirms it: `orphaned`.
 */
export async function judge(
  bytes: Buffer,
  entries: ReadonlyMap<string, Member>,
  around: Surroundings,
  known: Known = { keys: [...entries.keys()], media: [] },
): Promise<readonly Found[]> {
  const media = new Map<string, Media | Promise<Media>>(known.media.map((file) => [file.name, file]));
  const look = async (name: string) => {
    const file = media.get(name) ?? lookAt(name, around);
    media.set(name, file);
    return file;
  };
  const twinOf = makeTwins(around.listing);
  const found: Found[] = [];
  const open: Entry[] = [];
  const { root, path } = around.listing;
  const cache = join(path, CACHE_NAME);
  const add = (entry: string, name: string | null, { problem, reason, evidence = [] }: Verdict, lastSeen?: number) =>
    found.push({ finding: { kind: "directory", cache, entry, name, problem, reason }, root, evidence, lastSeen });
  for (const key of known.keys) {
    const member = entries.get(key);
    if (member === undefined) continue;
    const entry = readEntry(bytes, member);
    if (typeof entry === "string") add(key, null, { problem: "corrupt", reason: { rule: entry, observed: null } });
    else if (!(await isCurrent(entry, around, look))) open.push(entry);
    else if (entry.lastSeen !== undefined && entry.lastSeen < (around.expiredBefore ?? -Infinity))
      add(key, entry.names[0] ?? null, expired(entry.lastSeen, around.expiredBefore), entry.lastSeen);
  }
  if (open.length > 0) {
    const names = open.every(isOfItsName) ? [] : [...around.listing.names].filter(([, type]) => canBeMedia(type));
    const files = await inFlight(names, LOOKS_AT_ONCE, ([name]) => look(name));
    const here = new Map(files.map((file) => [file.hash, file]));
    for (const entry of open) {
      const verdict = await judgeEntry(entry, { ...around, look, twinOf, here, entries });
      add(entry.key, entry.names[0] ?? null, verdict, entry.lastSeen);
    }
  }
  return found;
}

/**
 * Whether the names in a directory say that every entry is in order, `named` being the names that these give: each is
 * there as a file, and no two are the same. Whether the media is still the same, only a look at it says.
 */
export function areInOrderByName(named: readonly (string | undefined)[], { names }: Listing): boolean {
  const isThere = (name: string | undefined) => name !== undefined && names.get(name) === "file";
  return named.every(isThere) && new Set(named).size === named.length;
}

/** Whether the key is that of a file of this name, size and time. Then no other file can have it: it holds the name. */
function isOfItsName({ key, names: [name], size, mtime }: Entry): boolean {
  return (
    name !== undefined &&
    size !== undefined &&
    mtime !== undefined &&
    name.isWellFormed() &&
    recordedFingerprint(name, size, mtime) === key
  );
}

function canBeMedia(type: string): boolean {
  return type === "file" || type === "symlink";
}

type Look = (name: string) => Promise<Media>;

/** What an entry that is not in order is held against. */
interface Desk extends Surroundings {
  readonly look: Look;
  readonly twinOf: (name: string) => Twin | undefined;
  readonly here: ReadonlyMap<string | undefined, Media>;
  readonly entries: ReadonlyMap<string, unknown>;
}

async function isCurrent(entry: Entry, { listing }: Surroundings, look: Look): Promise<boolean> {
  const [name] = entry.names;
  return name !== undefined && listing.names.has(name) && (await look(name)).hash === entry.key;
}

async function judgeEntry(entry: Entry, desk: Desk): Promise<Verdict> {
  const { listing, look, here } = desk;
  const same = here.get(entry.key);
  if (same !== undefined) return { problem: "drifted", reason: { rule: "name_differs", observed: same.name } };
  const absent: Verdict[] = [];
  for (const name of entry.names) {
    if (!isComponent(name)) {
      return { problem: "corrupt", reason: { rule: "file_name_is_no_name", observed: name } };
    }
    if (!name.isWellFormed()) return unreachable("name_not_utf8", name);
    const file = listing.names.has(name) ? await look(name) : undefined;
    if (file === undefined) absent.push(await judgeMissing(name, desk));
    else if (file.presence.state === "present") return judgePresent(entry, file, desk);
    else if (file.presence.state === "unknown") return unreachable("media_unreadable", file.presence.errno);
    else if (listing.names.get(name) === "symlink") absent.push(await judgeDangling(name, desk));
    else absent.push(unreachable(WENT_AWAY, name));
  }
  // With two names, one doubtful answer is enough to keep the entry.
  return (
    absent.find((verdict) => verdict.problem !== "orphaned") ??
    absent[0] ?? { problem: "corrupt", reason: { rule: "file_name_missing", observed: null } }
  );
}

function judgePresent(entry: Entry, { name, presence, hash }: Media, { listing, entries }: Desk): Verdict {
  if (presence.state !== "present" || hash === undefined) return unreachable("not_a_regular_file", name);
  const { size, mtimeNs } = presence.stats;
  const sameSize = entry.size !== undefined && BigInt(Math.trunc(finite(entry.size))) === size;
  const step = sameSize && entry.mtime !== undefined ? sameMomentAt(entry.mtime, mtimeNs) : undefined;
  if (step !== undefined) {
    const observed = String(mtimeNs);
    return { problem: "changed", reason: { rule: TIME_CUT, observed, threshold: `${step} ns` } };
  }
  const path = join(listing.path, name);
  return {
    ...(entries.has(hash)
      ? { problem: "superseded", reason: { rule: "media_has_current_entry", observed: hash } }
      : { problem: "changed", reason: { rule: "fingerprint_differs", observed: hash } }),
    evidence: [{ path, expect: "same", size: String(size), mtimeNs: String(mtimeNs) }],
  };
}

function finite(value: number): number {
  return Number.isFinite(value) ? value : -1;
}

/** The directory does not list the name. One more look decides, after its twins were ruled out. */
async function judgeMissing(name: string, { listing, presenceOf, twinOf }: Desk): Promise<Verdict> {
  const twin = twinOf(name);
  if (twin !== undefined) return unreachable(twin.rule, twin.name);
  const path = join(listing.path, name);
  const presence = await presenceOf(path);
  if (presence.state === "present") return unreachable("listing_disagrees", name);
  if (presence.state === "unknown") return unreachable("media_unreadable", presence.errno);
  return orphaned(path);
}

/** The name is a link that leads nowhere: proof only when it leads to a place inside the library. */
async function judgeDangling(name: string, { listing, realRoots }: Surroundings): Promise<Verdict> {
  const path = join(listing.path, name);
  const link = await readLink(path);
  if (link === undefined) return unreachable(WENT_AWAY, name);
  const target = resolve(dirname(path), link);
  const inside = [...realRoots, listing.root].some((root) => isInside(root, target));
  return inside ? orphaned(path) : unreachable("link_leads_outside_the_library", target);
}

/** What a link says; `undefined` when it is gone or no link any more. */
async function readLink(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "EINVAL") return undefined;
    throw error;
  }
}

function orphaned(path: string): Verdict {
  return {
    problem: "orphaned",
    reason: { rule: "media_gone", observed: "ENOENT" },
    evidence: [{ path, expect: "gone" }],
  };
}

function expired(lastSeen: number, before: number | undefined): Verdict {
  const threshold = new Date(before ?? lastSeen).toISOString();
  return { problem: "expired", reason: { rule: "older_than", observed: new Date(lastSeen).toISOString(), threshold } };
}

function unreachable(rule: string, observed: string): Verdict {
  return { problem: "unreachable", reason: { rule, observed } };
}

interface Twin {
  readonly rule: string;
  readonly name: string;
}

/** Finds another spelling of a name that the file system may hold for the same file. */
function makeTwins({ names }: Listing): (name: string) => Twin | undefined {
  const [composed, folded] = [new Map<string, string>(), new Map<string, string>()];
  return (name) => {
    if (composed.size === 0) {
      for (const other of names.keys()) {
        const form = other.normalize("NFC");
        if (!composed.has(form)) composed.set(form, other);
        folded.set(form.toLowerCase(), other);
      }
    }
    const form = name.normalize("NFC");
    const twin = composed.get(form);
    if (twin !== undefined) return { rule: "unicode_twin", name: twin };
    const cased = folded.get(form.toLowerCase());
    return cased === undefined ? undefined : { rule: "case_twin", name: cased };
  };
}

async function lookAt(name: string, { listing, presenceOf }: Surroundings): Promise<Media> {
  return mediaOf(name, await presenceOf(join(listing.path, name)));
}

/** A file beside the cache, by its name as it is listed and what the file system said of it. */
export function mediaOf(name: string, presence: Presence): Media {
  const isFile = presence.state === "present" && presence.stats.isFile();
  return { name, presence, hash: isFile ? fingerprint(name, presence.stats.size, presence.stats.mtimeNs) : undefined };
}
