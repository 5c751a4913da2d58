/** Characters that end a line, move a cursor, hide text or turn its direction. */
export const UNSAFE = [
  Array.from({ length: 0x20 }, (_, code) => code),
  Array.from({ length: 0x21 }, (_, code) => 0x7f + code),
  [0xad, 0x34f, 0x61c, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x180b, 0x180e, 0x180f],
  [0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e],
  [0x2060, 0x2061, 0x2064, 0x2066, 0x2067, 0x2068, 0x2069, 0x206a, 0x206f, 0x3164, 0xfe00, 0xfe0f, 0xfeff],
  [0xffa0, 0xfff9, 0xfffa, 0xfffb, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0xe0001, 0xe0020, 0xe007f, 0xe0100, 0x1d173],
].flat();

/** Names as an attacker would choose them: every unsafe character in three places, and sequences with a meaning. */
export const NAMES = [
  ...UNSAFE.flatMap((code) => {
    const character = code > 0xffff ? String.fromCodePoint(code) : String.fromCharCode(code);
    return [`${character}film.mkv`, `fi${character}lm.mkv`, `film.mkv${character}`];
  }),
  "\u001b[2J\u001b[1;1Hall clean",
  "\u001b]0;title\u0007",
  "\u001b]8;;http://example.com\u001b\\link\u001b]8;;\u001b\\",
  "\u009b31mred",
  "gnp.\u202ekvm.mlif",
  "a\r\nb\r\n",
  "\b\b\b\bok",
  "e\ud83c x",
];

/** Names that would be markup. */
export const HOSTILE_MARKUP = [
  "<script>alert(1)</script>",
  '"><img src=x onerror=alert(1)>',
  "'><svg/onload=alert(1)>",
  "<iframe src=//example.com>",
  "</td></tr></table><style>@import url(//example.com)</style>",
  "</title><link rel=stylesheet href=http://example.com/x.css>",
  "&lt;script&gt;",
  "]]><!--",
  "javascript:alert(1)",
];

/** Reads CSV back: fields of lines, with quotes taken off. */
export function readCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n)/g)) {
    rows.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain ?? "");
    if (end === "\n") rows.push([]);
  }
  rows.pop();
  return rows;
}
