/*
 * What `outline.ts` promises, as AssemblyScript: `npm run generate` makes `outline-code.ts` of it. Every byte of a
 * library's caches goes through here. Sixteen bytes of a string are looked at in one step; the host puts 64 zeros
 * behind the text, and as no rule of JSON allows a zero, nothing has to ask where the text ends.
 *
 * An offset of 0 means that the bytes are not what they should be: texts begin behind it.
 */

const QUOTE: u32 = 0x22;
const BACKSLASH: u32 = 0x5c;
const OPEN_BRACE: u32 = 0x7b;
const CLOSE_BRACE: u32 = 0x7d;
const OPEN_BRACKET: u32 = 0x5b;
const CLOSE_BRACKET: u32 = 0x5d;
const COLON: u32 = 0x3a;
const COMMA: u32 = 0x2c;
const SPACE: u32 = 0x20;
const LINE_FEED: u32 = 0x0a;

/** Of a table that is at most half full, no key that came by chance is so far from its place. */
const MOST_TRIES: u32 = 256;
/** 2^64 by the golden ratio: of a product with it, the upper half depends on every bit. */
const MIXER: u64 = 0x9e3779b97f4a7c15;
/** As `document.ts` has it. */
const MAX_DEPTH: u32 = 500;
/** A key with its quotes. */
const KEY_LENGTH: u32 = 66;
/** Bytes of what is noted of an entry: offsets of its start, its brace, behind it, of its name's quote, behind that. */
const NOTE_LENGTH: u32 = 20;

@inline
function byte(at: u32): u32 {
  return load<u8>(at);
}

@inline
function isDigit(code: u32): bool {
  return code - 0x30 < 10;
}

function skipSpace(start: u32): u32 {
  let at = start;
  while (true) {
    const code = byte(at);
    if (code != SPACE && code != LINE_FEED && code != 0x0d && code != 0x09) return at;
    at += 1;
  }
}

/** The offset of the first quote, backslash or control character from `start` on. */
@inline
function plainEnd(start: u32): u32 {
  let at = start;
  while (true) {
    const part = v128.load(at);
    const quotes = i8x16.eq(part, i8x16.splat(0x22));
    const backslashes = i8x16.eq(part, i8x16.splat(0x5c));
    const found = i8x16.bitmask(v128.or(v128.or(quotes, backslashes), i8x16.lt_u(part, i8x16.splat(0x20))));
    if (found != 0) return at + <u32>ctz(found);
    at += 16;
  }
}

function isHex(code: u32): bool {
  return isDigit(code) || (code | 0x20) - 0x61 < 6;
}

/** The offset behind the string whose opening quote is at `start`. */
function skipString(start: u32): u32 {
  let at = start + 1;
  while (true) {
    at = plainEnd(at);
    const code = byte(at);
    if (code == QUOTE) return at + 1;
    if (code != BACKSLASH) return 0;
    const escaped = byte(at + 1);
    if (escaped == 0x75) {
      for (let digit: u32 = 2; digit < 6; digit++) if (!isHex(byte(at + digit))) return 0;
      at += 6;
    } else if (
      escaped == QUOTE ||
      escaped == BACKSLASH ||
      escaped == 0x2f ||
      escaped == 0x62 ||
      escaped == 0x66 ||
      escaped == 0x6e ||
      escaped == 0x72 ||
      escaped == 0x74
    ) {
      at += 2;
    } else return 0;
  }
}

@inline
function skipDigits(start: u32): u32 {
  let at = start;
  while (isDigit(byte(at))) at += 1;
  return at > start ? at : 0;
}

/** The offset behind the number or literal at `start`; also Python's `NaN`, `Infinity` and `-Infinity`. */
function skipPrimitive(start: u32): u32 {
  const first = byte(start) == 0x2d ? start + 1 : start;
  const code = byte(first);
  if (!isDigit(code)) {
    if (code == 0x49) return load<u64>(first) == 0x7974696e69666e49 ? first + 8 : 0;
    if (first > start) return 0;
    if (code == 0x6e) return load<u32>(first) == 0x6c6c756e ? first + 4 : 0;
    if (code == 0x74) return load<u32>(first) == 0x65757274 ? first + 4 : 0;
    if (code == 0x66) return load<u32>(first + 1) == 0x65736c61 ? first + 5 : 0;
    return code == 0x4e && load<u16>(first + 1) == 0x4e61 ? first + 3 : 0;
  }
  let at = code == 0x30 ? first + 1 : skipDigits(first);
  if (byte(at) == 0x2e) {
    at = skipDigits(at + 1);
    if (at == 0) return 0;
  }
  if ((byte(at) | 0x20) == 0x65) {
    at += 1;
    if (byte(at) == 0x2b || byte(at) == 0x2d) at += 1;
    at = skipDigits(at);
  }
  return at;
}

/** The offset behind the value at `start`, which stands in `depth` objects and arrays. */
function skipValue(start: u32, depth: u32): u32 {
  const code = byte(start);
  if (code == QUOTE) return skipString(start);
  if (code != OPEN_BRACE && code != OPEN_BRACKET) return skipPrimitive(start);
  if (depth >= MAX_DEPTH) return 0;
  const closer = code == OPEN_BRACE ? CLOSE_BRACE : CLOSE_BRACKET;
  let at = skipSpace(start + 1);
  if (byte(at) == closer) return at + 1;
  while (true) {
    if (closer == CLOSE_BRACE) {
      if (byte(at) != QUOTE) return 0;
      at = skipString(at);
      if (at == 0) return 0;
      at = skipSpace(at);
      if (byte(at) != COLON) return 0;
      at = skipSpace(at + 1);
    }
    at = skipValue(at, depth + 1);
    if (at == 0) return 0;
    at = skipSpace(at);
    if (byte(at) == closer) return at + 1;
    if (byte(at) != COMMA) return 0;
    at = skipSpace(at + 1);
  }
}

/** Where the name of the entry that was passed over last stands; `nameEnd` is 0 when it has none of use. */
let nameStart: u32 = 0;
let nameEnd: u32 = 0;

/**
 * The offset behind the entry that opens at `open`. What Python writes is passed over on the spot: plain keys, `": "`,
 * and the line break and indent behind a comma.
 */
function skipFields(open: u32): u32 {
  let names = 0;
  nameEnd = 0;
  let at = skipSpace(open + 1);
  if (byte(at) == CLOSE_BRACE) return at + 1;
  while (true) {
    if (byte(at) != QUOTE) return 0;
    const keyEnd = plainEnd(at + 1) + 1;
    if (byte(keyEnd - 1) != QUOTE) return 0;
    let value = keyEnd + 2;
    if (load<u16>(keyEnd) != 0x203a) {
      value = skipSpace(keyEnd);
      if (byte(value) != COLON) return 0;
      value = skipSpace(value + 1);
    } else if (byte(value) <= SPACE) value = skipSpace(value);
    const end = skipValue(value, 2);
    if (end == 0) return 0;
    // "file_name"
    if (keyEnd - at == 11 && load<u64>(at + 1) == 0x6d616e5f656c6966 && byte(at + 9) == 0x65) {
      names += 1;
      nameStart = value;
      nameEnd = names == 1 && byte(value) == QUOTE ? end : 0;
    }
    at = end;
    if (byte(at) != COMMA) {
      at = skipSpace(at);
      if (byte(at) == CLOSE_BRACE) return at + 1;
      if (byte(at) != COMMA) return 0;
    }
    at += 1;
    // A line feed and six spaces.
    if (load<u64>(at - 1) == 0x2020202020200a2c && byte(at + 7) == QUOTE) at += 7;
    else at = skipSpace(at);
  }
}

/** The offset behind the key at `start`: 64 small hex digits between quotes. */
function skipFingerprint(start: u32): u32 {
  if (byte(start) != QUOTE || byte(start + KEY_LENGTH - 1) != QUOTE) return 0;
  for (let at = start + 1; at < start + KEY_LENGTH - 1; at += 16) {
    const part = v128.load(at);
    const digits = i8x16.lt_u(i8x16.sub(part, i8x16.splat(0x30)), i8x16.splat(10));
    const letters = i8x16.lt_u(i8x16.sub(part, i8x16.splat(0x61)), i8x16.splat(6));
    if (!i8x16.all_true(v128.or(digits, letters))) return 0;
  }
  return start + KEY_LENGTH;
}

/** Where a key stands in the table of `slots` (a power of two) numbers, unless others came before. */
function slotOf(key: u32, slots: u32): u32 {
  let mixed: u64 = 0;
  for (let at: u32 = 0; at < 64; at += 8) {
    mixed = (mixed ^ load<u64>(key + at)) * MIXER;
    mixed ^= mixed >> 32;
  }
  return <u32>((mixed * MIXER) >> 32) & (slots - 1);
}

/**
 * Notes a key in the table; false when it is there already, or when so many others stand where it belongs that somebody
 * must have chosen them for it: to compare each with all of them would never end.
 */
function isNew(key: u32, table: u32, slots: u32): bool {
  let slot = slotOf(key, slots);
  for (let tries: u32 = 0; tries < MOST_TRIES; tries++) {
    const place = table + (slot << 2);
    const other = load<u32>(place);
    if (other == 0) {
      store<u32>(place, key);
      return true;
    }
    if (memory.compare(key, other, 64) == 0) return false;
    slot = (slot + 1) & (slots - 1);
  }
  return false;
}

/**
 * Notes the entries of the document at `start`, of `length` bytes, at `notes`, and returns how many there are, or -1.
 * The table at `table` has `slots` numbers, a power of two, more than there can be entries, and is cleared here.
 */
export function outline(start: u32, length: u32, notes: u32, table: u32, slots: u32): i32 {
  memory.fill(table, 0, slots << 2);
  let count = 0;
  let note = notes;
  let at = skipSpace(start);
  if (byte(at) != OPEN_BRACE) return -1;
  at = skipSpace(at + 1);
  if (byte(at) != CLOSE_BRACE) {
    while (true) {
      const entry = at;
      at = skipFingerprint(entry);
      if (at == 0 || !isNew(entry + 1, table, slots)) return -1;
      at = skipSpace(at);
      if (byte(at) != COLON) return -1;
      const open = skipSpace(at + 1);
      if (byte(open) != OPEN_BRACE) return -1;
      at = skipFields(open);
      if (at == 0) return -1;
      store<u32>(note, entry);
      store<u32>(note + 4, open);
      store<u32>(note + 8, at);
      store<u32>(note + 12, nameStart);
      store<u32>(note + 16, nameEnd);
      note += NOTE_LENGTH;
      count += 1;
      at = skipSpace(at);
      if (byte(at) == CLOSE_BRACE) break;
      if (byte(at) != COMMA) return -1;
      at = skipSpace(at + 1);
    }
  }
  return skipSpace(at + 1) == start + length ? count : -1;
}
