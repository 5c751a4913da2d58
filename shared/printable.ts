// C0/C1 controls, zero-width and bidi marks, line/paragraph separators, BOM, tags, lone surrogates.
const UNSAFE =
  // oxlint-disable-next-line no-control-regex -- naming the control characters is the purpose
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]|\p{Surrogate}/gu;

/**
 * A name or path as it may be shown: one line, without characters that move the cursor, hide text or turn its direction.
 *
 * Media names are data of others. Every such character is written as `\n`, `\t` or `\u{…}`; the rest stays as it is.
 */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => {
    if (character === "\n") return "\\n";
    if (character === "\r") return "\\r";
    if (character === "\t") return "\\t";
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}
