import { Type, type Static } from "typebox";

import { CacheOpsError } from "../../errors.ts";
import { secretFrom } from "../../secret.ts";
import { DURATION_PATTERN } from "../../units.ts";

const Duration = (value: string, description: string) =>
  Type.String({ pattern: DURATION_PATTERN, default: value, description });

/** A Jellyfin server whose Xtream channel cache and cleanup tasks are looked after. */
export const JellyfinServer = Type.Object(
  {
    name: Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description: "How you call it." }),
    url: Type.String({
      pattern: "^https?://[^/?#@\\s]+(/[^?#\\s]*)?$",
      description: "Its address with its base path, if it has one: http://host:8096, https://host/jellyfin.",
    }),
    minRefillShare: Type.Number({
      minimum: 0,
      maximum: 1,
      default: 0.5,
      description: "Least share of the provider's earlier categories and items that must be there before a clear.",
    }),
    answerLimit: Duration("10s", "How long one answer may take."),
    poll: Duration("2s", "How often progress is asked for."),
    taskLimit: Duration("10m", "How long the end of a task or of a cancelled refresh is waited for."),
    refillLimit: Duration("2h", "How long a full refill is waited for."),
  },
  {
    additionalProperties: false,
    description: "A Jellyfin server (10.10, 10.11 or 12). Its API key comes from the environment, never from here.",
  },
);
export type JellyfinServer = Static<typeof JellyfinServer>;

/** Throws `invalid_input` for servers that cannot be meant: two of one name or address, two that share one variable. */
export function assertJellyfin(servers: readonly JellyfinServer[]): void {
  for (const [index, server] of servers.entries()) {
    for (const other of servers.slice(0, index)) {
      const what =
        other.name === server.name
          ? "is there twice"
          : tokenVariable(other.name) === tokenVariable(server.name)
            ? `would get its key from the same variable as ${other.name}`
            : baseOf(other) === baseOf(server)
              ? `has the address of ${other.name}`
              : undefined;
      if (what === undefined) continue;
      throw new CacheOpsError("invalid_input", `configuration: the Jellyfin server ${server.name} ${what}`, {
        hint: "Give each server one name and one address of its own.",
      });
    }
  }
}

/** The address below which every route lies, without a slash at its end. */
export function baseOf({ url }: Pick<JellyfinServer, "url">): string {
  return url.replace(/\/+$/, "");
}

/** The variable of the environment that holds a server's API key: `CACHE_OPS_JELLYFIN_<NAME>_TOKEN`. */
export function tokenVariable(name: string): string {
  return `CACHE_OPS_JELLYFIN_${name.toUpperCase().replaceAll("-", "_")}_TOKEN`;
}

/**
 * The API key of a server: from {@link tokenVariable}, or the 0600 file that this with `_FILE` names. `undefined` when
 * neither is set. Throws as {@link secretFrom} does.
 */
export function jellyfinTokenFrom(env: Readonly<Record<string, string | undefined>>, name: string): string | undefined {
  return secretFrom(env, tokenVariable(name));
}
