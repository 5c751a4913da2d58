import { JellyfinServer } from "../../../shared/caches/jellyfin/settings.ts";
import { planJellyfin, type JellyfinRequest } from "../../../shared/caches/jellyfin/clear-plan.ts";
import { readJellyfin } from "../../../shared/caches/jellyfin/clear-status.ts";
import { performJellyfin, type JellyfinOutcome } from "../../../shared/caches/jellyfin/clear.ts";
import { linkJellyfin, type JellyfinAccess, type JellyfinLink } from "../../../shared/caches/jellyfin/client.ts";
import { parse } from "../../../shared/validate.ts";
import { KEY, type Jellyfin } from "../../support/jellyfin.ts";

/** Settings of a server, with every default. */
export function serverOf(parts: Record<string, unknown> = {}): JellyfinServer {
  return parse(JellyfinServer, { name: "home", url: "http://tv.local:8096", ...parts }, "server");
}

/** A link to a stand-in, in its time. */
export function linkTo(
  jellyfin: Jellyfin,
  parts: Partial<JellyfinAccess> = {},
  server: JellyfinServer = serverOf(),
): JellyfinLink {
  const { fetch, now, wait } = jellyfin;
  const signal = new AbortController().signal;
  return linkJellyfin(server, { fetch, now, wait, signal, progress: () => undefined, token: KEY, ...parts });
}

/** Everything that a clear of the series is asked for. */
export const CLEAR: JellyfinRequest = { sections: ["series"], tasks: [], refills: true };

/** Looks and plans. */
export async function planOn(link: JellyfinLink, request: Partial<JellyfinRequest> = {}) {
  return planJellyfin(link, await readJellyfin(link), { ...CLEAR, ...request });
}

/** Looks, plans, calls `between`, and takes the one step there is. */
export async function clearOn(
  link: JellyfinLink,
  request: Partial<JellyfinRequest> = {},
  between: () => void = () => undefined,
): Promise<JellyfinOutcome> {
  const { steps, blocked, skipped } = await planOn(link, request);
  const [step, ...rest] = steps;
  if (step === undefined || rest.length > 0) throw new Error(JSON.stringify({ steps, blocked, skipped }));
  between();
  return performJellyfin(step, link);
}

/** The states of an outcome's parts, by part. */
export function statesOf({ parts }: JellyfinOutcome): Record<string, string> {
  return Object.fromEntries(parts.map(({ part, state }) => [part, state]));
}
