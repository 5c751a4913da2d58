// Controls, formatting characters (bidi, zero-width, tags), lone surrogates, line separators, invisible fillers.
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

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

/** JSON on one line with the same characters, which stand in strings only, as JSON escapes: the same value, printable. */
export function printableJson(json: string): string {
  return json.replace(UNSAFE, (character) =>
    Array.from({ length: character.length }, (_, unit) => escapeOf(character.charCodeAt(unit))).join(""),
  );
}

function escapeOf(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, "0")}`;
}
