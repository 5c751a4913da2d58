import type { RootRow } from "./protocol.ts";

const WORDS: Readonly<Record<RootRow["state"], string>> = {
  healthy: "is in order",
  missing: "is not there",
  empty: "is empty, as when a disk is not mounted",
  unreadable: "cannot be read",
  not_a_directory: "is not a directory",
};

/** The state of a root in a few words, beside its name. */
export const STATES: Readonly<Record<RootRow["state"], string>> = {
  missing: "missing",
  empty: "empty: is its disk mounted?",
  unreadable: "not readable",
  not_a_directory: "not a directory",
  healthy: "in order",
};

/** In words what is with a root: `/mnt/films is not there`. */
export function rootSentence({ root, state, detail }: Pick<RootRow, "root" | "state" | "detail">): string {
  return `${root} ${WORDS[state]}${state === "unreadable" && detail !== "" ? ` (${detail})` : ""}`;
}
