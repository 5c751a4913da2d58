/** What our lock on a file is called: the file's name and this. */
export const LOCK_SUFFIX = ".cache-ops-lock";

/** The directory that holds what was evicted, until it is purged. */
export const QUARANTINE_NAME = ".cache-ops-quarantine";

/** The directory that holds what was packed: directories that nobody used for long, each in one compressed file. */
export const PACKS_NAME = ".cache-ops-packed";

/** The temporary file that step `seq` of a run writes beside its target; short, whatever the target is called. */
export function tempName(run: string, seq: number): string {
  return `.cache-ops-${run}-${seq}.tmp`;
}

/** Matches every {@link tempName}. */
export const TEMP_PATTERN = /^\.cache-ops-[0-9a-z-]+\.tmp$/;

/** Whether a name is one that only this product gives: nothing of anyone else's goes by it. */
export function isOurName(name: string): boolean {
  const lower = name.toLowerCase();
  return lower.startsWith(".cache-ops-") || lower.endsWith(LOCK_SUFFIX);
}
