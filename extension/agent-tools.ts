import type { Configuration } from "@cache-ops/shared";

/**
 * Which tools agents are offered, as words of the command line; `undefined`: the usual ones. Every tool costs each
 * conversation, so those for a kind of cache are offered only where there is one.
 */
export function agentTools({
  managed,
  engines,
  jellyfin,
}: Pick<Configuration, "managed" | "engines" | "jellyfin">): string | undefined {
  const groups = Object.entries({ managed, engines, jellyfin }).filter(([, caches]) => caches.length > 0);
  return groups.length === 0 ? undefined : ["default", ...groups.map(([group]) => group)].join(",");
}
