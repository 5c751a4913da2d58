import type { Problem } from "@cache-ops/shared";
import { printable } from "@cache-ops/shared/printable";

/**
 * Every rule of the core in a plain sentence, by what it is a rule of. `{}` stands for what was observed. A test holds
 * this against the sources: a rule without words, and words without a rule, fail it.
 */
export const RULES: Readonly<Record<string, string>> = {
  // Entries whose media is not as they say.
  media_gone: "Its media file is not there any more.",
  media_moved: "Its media file moved to {}.",
  media_moved_and_cached_there: "Its media file moved to {}, and the cache there already describes it.",
  media_has_current_entry:
    "Its media file changed since this was written, and another entry describes the file as it is now.",
  older_than: "It was last written {}, which is longer ago than the age that was asked for.",
  not_in_the_cache: "The cache had no entry for this file as it is.",
  no_probe_data: "The entry held nothing that ffprobe found, or was to be probed again.",
  fingerprint_differs:
    "Its media file is there, but with another size or time than when this was written. mediabox does not use the entry any more, and no newer one is there yet.",
  time_cut_by_another_mount:
    "Its media file has another time than when this was written, but only as another mount of the same disk would round it. The file has probably not changed.",
  name_differs: "Its fingerprint is that of {}, but the entry records another name.",
  legacy_format: "It holds fields of an older format that mediabox does not use any more: {}.",

  // Entries whose media could not be looked at.
  name_not_utf8:
    "The name it records cannot be written as valid UTF-8, so there is no telling whether its file is there.",
  media_unreadable: "Whether its media file is there could not be found out: the system answered {}.",
  went_away_meanwhile: "Its media file {} went away during the look: something is at work in this directory.",
  not_a_regular_file: "{} is there, but is not a regular file.",
  listing_disagrees: "The directory does not list {}, and yet the file is there: the storage contradicts itself.",
  unicode_twin: "The directory holds the same name in another Unicode form, {}, which may be its media file.",
  case_twin: "The directory holds the same name in other letter case, {}, which may be its media file.",
  link_leads_outside_the_library:
    "Its media file is a link to {}, outside of the library. What is missing there may only be unmounted.",

  // Entries that are none.
  key_not_a_fingerprint: "Its key is not a fingerprint (64 digits of 0-9 and a-f), so mediabox never finds it.",
  entry_not_an_object: "What stands under this key is not an entry: mediabox fails on it.",
  file_name_is_no_name: "It records {} as its file name, which cannot be the name of a file in this directory.",
  file_name_missing: "It records no file name, so there is no telling which media file it is about.",

  // Entries of media-audit's cache.
  size_differs: "Its media file has another size now ({} bytes).",
  mtime_differs: "Its media file was written since, or has another time ({}).",
  subtree_changed: "Something in its directory changed since: {}.",
  time_in_the_future: "The time of {} lies in the future, so media-audit would never look at its directory again.",
  other_schema: "Another version of media-audit wrote it (schema {}). The one that ran last does not read it any more.",
  truncated: "The file ends too early, at {}. media-audit takes it for broken.",
  unknown_field: "It holds a field that media-audit does not know: {}. It fails on the file.",
  field_missing: "A field is missing or of the wrong kind: {}. media-audit fails on the file.",
  pickle_refused: "It is not plain data, so it was not read: {}. What is in it is never run.",
  too_large: "It is too large to be an entry ({} bytes), so it was not read.",
  name_is_not_the_key: "The file does not have the name that its entry asks for: {}.",
  relative_path: "It records a path that begins nowhere, {}, so there is no telling which file it is about.",
  path_of_another_system: "It records a path of another system: {}.",
  outside_the_libraries: "Its media lies outside of the libraries.",
  not_a_directory: "It is about a directory, but {} is none.",
  nothing_on_the_way: "Nothing of the path to its media file is there, not even {}.",
  dangling_link: "On the way to its media file is a link that leads nowhere: {}.",
  parent_is_no_directory: "On the way to its media file is something that is no directory: {}.",
  parent_is_empty: "The directory of its media file is empty, as when a disk is not mounted: {}.",
  parent_is_gone: "Only {} is left of the path to its media file, and no library says that the rest is really gone.",
  library_missing: "The library that its media file lies in is not there: {}.",
  library_empty: "The library that its media file lies in is empty, as when a disk is not mounted: {}.",
  library_unreadable: "The library that its media file lies in cannot be read: {}.",
  library_not_a_directory: "The library that its media file lies in is no directory: {}.",
  cannot_be_repaired: "A repair can do nothing about it.",

  // Cache files as a whole.
  empty_file:
    "The file is empty. Even a cache without entries holds a pair of braces, and mediabox takes this for a broken one.",
  invalid_utf8: "The file is not valid UTF-8 from {} on. mediabox fails on the whole file.",
  byte_order_mark:
    "The file begins with a byte order mark, which Python does not accept: mediabox takes the file as empty and overwrites it.",
  invalid_json: "The file is not valid JSON from {} on. mediabox takes it as empty and overwrites it.",
  too_deep: "The file is nested deeper than any cache is.",
  not_an_object: "The file is valid JSON, but not an object with entries. mediabox fails on it.",
  only_temp_file: "The cache is gone, and only {} is there: mediabox was interrupted while it saved.",
  not_a_readable_file: "The cache cannot be used as a file: {}.",
  cache_unreadable: "The cache could not be read: {}. Its entries were not judged.",
  cache_outside_the_library: "The cache is a link that leads out of the library: {}.",
  cache_shared_by_links:
    "Several directories share this cache file through links, so no one directory can say what is stale in it.",

  // Files left over.
  our_temp: "A temporary file that an interrupted run of Cache Ops left behind ({}).",
  our_lock: "A lock that an interrupted run of Cache Ops left behind ({}).",
  mediabox_temp: "A temporary file that mediabox left behind beside its cache ({}).",
  mediabox_lock: "A lock that mediabox left behind; the process that took it is gone ({}).",

  // Why something was left out of a plan.
  changed_while_planning: "It changed while the plan was made.",
  new_home_cannot_take_it: "The cache it should move to cannot take it: {}.",
  cannot_be_read: "It cannot be read, so it cannot be repaired.",
  cache_is_a_link: "Nothing in it can be saved, and it is a link: removing what it leads to would leave a broken link.",
  kept_by_configuration: "A pattern in your settings says to keep it: {}.",
  probably_unchanged: "Its media file has probably not changed: only its time was rounded by another mount.",
  in_use: "Something is at work in its directory: {}.",
  too_recent: "Its cache was written only {} ago.",
  age_unknown: "It does not say when it was written.",
  not_old_enough: "It is only {} old.",
  over_max_entries: "The plan was limited to fewer entries.",
  not_included: "It does not match what was to be included.",
  excluded: "It matches what was to be left out.",

  // Directories of managed caches that go, and why not.
  ttl: "It has expired: {}.",
  max_age: "It is too old: {}.",
  over_quota: "The quota is used up, and it is its turn: {}.",
  disk_full: "The disk is full: {}.",
  room_asked_for: "Room was asked for, and it is its turn: {}.",
  asked_for: "Its eviction was asked for: {}.",
  cold: "Nobody used it for long: {}.",
  quarantine_over: "Its time in the quarantine is over. It was moved there {}.",
  pack_not_needed: "It has been at its place since {}, so its pack is not needed any more.",
  packed: "It was packed {}, and is to come back.",
  archived: "It was archived {}, and is to come back.",
  already_there: "It is there already.",
  not_packed: "It was neither packed nor archived here.",
  not_there: "It is in the register, but not on the disk.",
  open_files: "Somebody has a file in it open: {}.",
  recent_write: "Something in it was written only just now: {}.",
  lock_file: "A lock in it says that somebody works there: {}.",
  unfinished_download: "A file in it is not whole yet: {}.",

  // What goes in containers and on servers.
  idle: "Nobody plays on its engine: {}.",
  requested: "It was asked for. The server says: {}.",
  busy: "It is in use now: {}.",
  unknown_use: "Whether it is in use cannot be told: {}.",
  shared: "Another container works on the same directory: {}.",
  absent: "There is nothing to empty: {}.",
  already_empty: "It is empty already: {}.",
  cannot_be_measured: "What is in it cannot be measured, so it is left alone: {}.",
  cannot_be_emptied: "It cannot be emptied: {}.",
  not_running: "Only what runs is emptied: {}.",
  nothing_offered: "Its provider offers nothing to fill it with: {}.",
  not_offered: "The server does not offer it: {}.",
  no_channel_task: "After a clear nothing would bring the channels up to date: {}.",

  // What a restore puts back, and why not.
  missing_since_backup: "It was there when the backup was made, and is gone.",
  differs_from_backup: "It is not as it was when the backup was made: {}.",
  attributes_differ: "Its bytes are those of the backup, but not its {}.",
  directory_gone: "Its directory is not there any more, and a restore makes none: {}.",
  leads_outside_the_library: "A link on its way leads out of the library, to {}.",
  link_leads_nowhere: "It is a link now that leads nowhere: {}.",
  pickle_is_more_than_data: "It is more than data: media-audit would run what is in it. A restore never puts it back.",
  not_a_cache_file: "Something that is no file has its name: {}.",

  // What a run of its own noted.
  converted: "Its media file was converted.",
  conversion_failed: "The conversion of its media file failed: {}.",
};

const PROBLEMS: Readonly<Record<Problem, string>> = {
  orphaned: "Its media file is gone.",
  superseded: "Another, current entry describes its media file.",
  expired: "It is past its age.",
  leftover: "It was left behind by an interrupted program.",
  changed: "Its media file is there, but changed since this was written.",
  drifted: "What it records does not fit its media file.",
  corrupt: "It cannot be used as it is.",
  oversize: "It is the next to go under a quota.",
  unreachable: "Whether its media file is there could not be found out.",
};

/**
 * Why something is a finding, or was left out of a plan, in a plain sentence of one line. Never fails: for a rule
 * without words it says what the problem is, and names the rule. What was observed is made {@link printable} and cut
 * at 200 characters; it is text of others all the same and must be escaped where it is shown as markup.
 */
export function explain(problem: Problem, rule: string, observed: string | number | null): string {
  return explainRule(rule, observed) ?? `${PROBLEMS[problem]} (${clipped(rule)})`;
}

/** What a rule says of what was observed, as {@link explain} does; `undefined` for a rule without words. */
export function explainRule(rule: string, observed: string | number | null): string | undefined {
  const sentence = Object.hasOwn(RULES, rule) ? RULES[rule] : undefined;
  return sentence?.replace("{}", () => (observed === null ? "unknown" : clipped(String(observed))));
}

/** What a cleanup or a repair does about a finding, in a plain sentence. `isFile`: it is about the cache as a whole. */
export function prospect(problem: Problem, rule: string, isFile = false): string {
  if (rule === "media_moved") return "A cleanup moves the entry to the cache of that directory.";
  if (rule === "our_lock") return "A cleanup releases it.";
  if (rule === "time_cut_by_another_mount") return "It is kept, always.";
  if (rule === "legacy_format") return "A repair that is asked to migrate drops these fields and keeps the rest.";
  switch (problem) {
    case "orphaned":
      return "A cleanup removes the entry, or moves it along when the file is found elsewhere in the library.";
    case "superseded":
    case "expired":
      return "A cleanup removes the entry.";
    case "leftover":
      return "A cleanup removes it.";
    case "changed":
      return "A cleanup keeps the entry, unless it is asked for changed ones, too.";
    case "drifted":
      return "A cleanup keeps the entry; a repair corrects the name.";
    case "corrupt":
      return isFile
        ? "A cleanup leaves the file alone; a repair saves every entry that can be read."
        : "A cleanup keeps the entry; a repair removes it.";
    case "oversize":
      return "It goes when the cache needs room.";
    case "unreachable":
      return "It is kept: what cannot be checked is never removed.";
  }
}

const SHORT: Readonly<Record<Problem, string>> = {
  orphaned: "its media is gone",
  superseded: "another entry is current",
  expired: "past its age",
  leftover: "left behind",
  changed: "its media changed",
  drifted: "it records another name",
  corrupt: "not usable",
  oversize: "next to go",
  unreachable: "could not be checked",
};

/** A problem in a few words, for labels: `orphaned: its media is gone`. */
export function inShort(problem: Problem): string {
  return `${problem}: ${SHORT[problem]}`;
}

function clipped(text: string): string {
  const line = printable(text);
  return line.length > 200 ? `${line.slice(0, 199)}…` : line;
}
