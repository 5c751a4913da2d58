/** A Cache Ops server on another host, as the settings name it. */
export interface RemoteServer {
  readonly name: string;
  readonly url: string;
}

/**
 * The servers of a setting that can be used, each name once, and what is wrong with the others: the editor shows
 * settings of a wrong form, but hands them out all the same.
 */
export function remoteServersIn(value: unknown): {
  readonly servers: readonly RemoteServer[];
  readonly problems: readonly string[];
} {
  const servers = new Map<string, RemoteServer>();
  const problems: string[] = [];
  for (const item of Array.isArray(value) ? (value as readonly unknown[]) : []) {
    const { name, url } = (typeof item === "object" && item !== null ? item : {}) as Record<string, unknown>;
    if (typeof name !== "string" || name.trim() === "") problems.push("a server has no name");
    else if (servers.has(name)) problems.push(`there are two servers ${name}`);
    else if (typeof url !== "string" || !isWebAddress(url))
      problems.push(`${name} has no address that begins with http`);
    else servers.set(name, { name, url });
  }
  return { servers: [...servers.values()], problems };
}

/** Under which name a server's token is kept. By address: a name that comes to mean another host takes no token along. */
export function tokenKey({ url }: RemoteServer): string {
  return `agents.token:${new URL(url).href}`;
}

/** Whether what is sent to a server can be read on its way: no encryption, and not on this host only. */
export function isReadableOnTheWay({ url }: RemoteServer): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === "http:" && !/^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

function isWebAddress(text: string): boolean {
  return URL.canParse(text) && ["http:", "https:"].includes(new URL(text).protocol);
}
