/** What our lock on a file is called: the file's name and this. */
export const LOCK_SUFFIX = ".cache-ops-lock";

/** The temporary file that step `seq` of a run writes beside its target; short, whatever the target is called. */
export function tempName(run: string, seq: number): string {
  return `.cache-ops-${run}-${seq}.tmp`;
}

/** Matches every {@link tempName}. */
export const TEMP_PATTERN = /^\.cache-ops-[0-9a-z-]+\.tmp$/;
