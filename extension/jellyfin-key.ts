/**
 * Under which name the secret storage keeps the API key of a Jellyfin server. By address: a name that comes to mean
 * another server takes no key along.
 */
export function jellyfinKeyName({ url }: { readonly url: string }): string {
  const address = URL.canParse(url) ? new URL(url).href : url;
  return `jellyfin.key:${address.replace(/\/+$/, "")}`;
}
