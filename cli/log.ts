/** Names of fields whose value is nobody's business. */
const SECRET_NAME = /(token|secret|password|authorization|cookie|(api|access)[-_]?key)$/i;
/** A password in an address. */
const CREDENTIALS = /(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi;

/**
 * A log of one line of JSON an event. What is secret is replaced by `[redacted]`: fields that are called so, the given
 * secrets wherever they stand, and passwords in addresses.
 */
export function makeLog(
  write: (line: string) => void,
  now: () => number,
  secrets: readonly (string | undefined)[],
): (message: string, fields?: Readonly<Record<string, unknown>>) => void {
  const known = secrets.filter((secret) => secret !== undefined && secret !== "");
  const clean = (name: string, value: unknown): unknown => {
    if (SECRET_NAME.test(name)) return "[redacted]";
    if (typeof value !== "string") return value;
    const text = known.reduce<string>((text, secret) => text.replaceAll(secret ?? "", "[redacted]"), value);
    return text.replace(CREDENTIALS, "$1[redacted]@");
  };
  return (message, fields = {}) => {
    const entry = { time: new Date(now()).toISOString(), message, ...fields };
    write(`${JSON.stringify(entry, (name, value: unknown) => clean(name, value))}\n`);
  };
}
