import type { Context } from "../../context.ts";
import { CacheOpsError } from "../../errors.ts";
import { troubleOf, type Trouble } from "../../finding.ts";
import { printable } from "../../printable.ts";
import { linkJellyfin, type JellyfinLink } from "./client.ts";
import type { JellyfinServer } from "./settings.ts";

/** The servers that some names mean; no names: all. Throws `not_found` when there is none, or none of a name. */
export function serversNamed(names: readonly string[], context: Context): readonly JellyfinServer[] {
  const { jellyfin } = context.configuration;
  if (jellyfin.length === 0) {
    throw new CacheOpsError("not_found", "no Jellyfin server is configured", {
      hint: "Describe one under `jellyfin` in the configuration: its name and its address.",
    });
  }
  return names.length === 0 ? jellyfin : [...new Set(names)].map((name) => serverNamed(name, context));
}

/** The server of a name. Throws `not_found`. */
export function serverNamed(name: string, { configuration }: Pick<Context, "configuration">): JellyfinServer {
  const server = configuration.jellyfin.find((known) => known.name === name);
  if (server !== undefined) return server;
  const known = configuration.jellyfin.map((other) => other.name).join(", ");
  throw new CacheOpsError("not_found", `"${printable(name)}" is no Jellyfin server`, {
    hint: known === "" ? "None is configured." : `Jellyfin servers: ${known}.`,
  });
}

/** A link to a server with its key. Throws `unavailable` where this program has no way to one, and as the key does. */
export async function reachJellyfin(server: JellyfinServer, context: Context): Promise<JellyfinLink> {
  const { jellyfin, now, signal, progress } = context;
  if (jellyfin === undefined) {
    throw new CacheOpsError("unavailable", "Jellyfin servers cannot be reached from this program", {
      hint: "Use the command line or the service of cache-ops.",
    });
  }
  const { fetch, wait, token } = jellyfin;
  return linkJellyfin(server, { fetch, wait, now, signal, progress, token: await token(server.name) });
}

/** A server with what came of a look at it, or with the trouble that kept from it. */
type Looked<T> =
  | { readonly server: JellyfinServer; readonly seen: T }
  | { readonly server: JellyfinServer; readonly trouble: Trouble; readonly error: CacheOpsError };

/** Looks at servers, at all of them at once; trouble with one is its own. Throws `interrupted`. */
export async function lookAtEach<T>(
  servers: readonly JellyfinServer[],
  context: Context,
  look: (link: JellyfinLink) => Promise<T>,
): Promise<readonly Looked<T>[]> {
  return Promise.all(
    servers.map(async (server) => {
      try {
        return { server, seen: await look(await reachJellyfin(server, context)) };
      } catch (error) {
        if (!(error instanceof CacheOpsError) || error.code === "interrupted") throw error;
        return { server, trouble: troubleOf(server.name, error), error };
      }
    }),
  );
}
