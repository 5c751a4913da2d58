import { CacheOpsError } from "../../errors.ts";
import { parseDuration } from "../../units.ts";
import type { JellyfinLink } from "./client.ts";

/** What a look at the server in the course of a wait brought: a verdict, or that it goes on. */
export type Look<T> = { readonly verdict: T } | undefined;

/**
 * Looks again and again until there is a verdict; `undefined` when `limit` (such as `10m`) is over. A look that fails
 * with `unavailable` says nothing: it is told to `missed` and the wait goes on, so that a restart is waited out.
 *
 * Throws `interrupted`, and `forbidden` when the server takes the key no longer.
 */
export async function watchUntil<T>(
  { server, access }: JellyfinLink,
  limit: string,
  look: () => Promise<Look<T>>,
  missed: () => void = () => undefined,
): Promise<T | undefined> {
  const until = access.now() + parseDuration(limit) * 1000;
  for (;;) {
    try {
      const seen = await look();
      if (seen !== undefined) return seen.verdict;
    } catch (error) {
      if (!(error instanceof CacheOpsError) || error.code !== "unavailable") throw error;
      missed();
    }
    if (access.now() >= until) return undefined;
    await pause({ server, access });
  }
}

/** Waits until it is time for the next look. Throws `interrupted`. */
async function pause({ server, access }: Pick<JellyfinLink, "server" | "access">): Promise<void> {
  try {
    await access.wait(parseDuration(server.poll) * 1000, access.signal);
  } catch (error) {
    if (!access.signal.aborted) throw error;
  }
  if (access.signal.aborted) throw new CacheOpsError("interrupted", `stopped while waiting for ${server.name}`);
}

/** A time of the server in milliseconds since 1970; `undefined` when it does not name its zone. */
export function timeOf(text: string | null): number | undefined {
  if (text === null || !/(Z|[+-][0-9]{2}:?[0-9]{2})$/.test(text)) return undefined;
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}
