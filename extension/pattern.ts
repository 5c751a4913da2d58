/**
 * The pattern (as the core's `include`, `exclude` and `keep` read it) that matches this path below a root, and no
 * other. Backslashes and line breaks stand for any one character there: they cannot be written reliably.
 * A leading `./` keeps a name without a slash from being looked for in every directory.
 */
export function patternOf(path: string): string {
  return `./${path.replaceAll(/[\\\n\r]|[*?[\]{}()!+@|"'$^,<>&#~]/g, (special) => (/[\\\n\r]/.test(special) ? "?" : `\\${special}`))}`;
}
