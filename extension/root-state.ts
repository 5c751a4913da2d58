import type { RootRow } from "./protocol.ts";

const WORDS: Readonly<Record<RootRow["state"], string>> = {
  healthy: "is in order",
  missing: "is not there",
  empty: "is empty, as when a disk is not mounted",
  unreadable: "cannot be read",
  not_a_directory: "is not a directory",
};

/** In words what is with a root: `/mnt/films is not there`. */
export function rootSentence({ root, state, detail }: Pick<RootRow, "root" | "state" | "detail">): string {
  return `${root} ${WORDS[state]}${state === "unreadable" && detail !== "" ? ` (${detail})` : ""}`;
}
