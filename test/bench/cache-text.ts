/** One entry of a cache, and what is to be seen of the media it is about. */
export interface Entry {
  readonly hash: string;
  readonly name: string;
  readonly size: number;
  /** Time of the media, in seconds since 1970. */
  readonly seconds: number;
  /** Whatever else the entry says. */
  readonly fields: Readonly<Record<string, unknown>>;
}

const WORDS =
  "Amber Silent River Night Crown Winter Étoile Golden Paper Garden Shadow Café Northern Velvet Glass Harbor Signal Copper Lantern Orchard Señor 夜 Broken Thunder Ocean Mirror".split(
    " ",
  );

/** A title of so many words; some are not ASCII. */
export function titleOf(words: number, random: () => number): string {
  return Array.from({ length: words }, () => pick(WORDS, random)).join(" ");
}

/** What a probe may have said about a film. */
export function fieldsOf(random: () => number): Entry["fields"] {
  const isHd = random() < 0.7;
  const isHdr = random() < 0.1;
  return {
    last_scanned: `2024-0${1 + Math.floor(random() * 9)}-1${Math.floor(random() * 9)}T12:34:56.789012`,
    codec_video: pick(["h264", "hevc", "av1"], random),
    codec_audio: pick(["aac", "eac3", "dts"], random),
    resolution: isHd ? "1920x1080" : "3840x2160",
    width: isHd ? 1920 : 3840,
    height: isHd ? 1080 : 2160,
    duration: Math.floor(random() * 7200) + 0.5,
    bitrate: Math.floor(random() * 2e7),
    is_hdr: isHdr,
    hdr_type: isHdr ? "HDR10" : null,
    color_transfer: isHdr ? "smpte2084" : "bt709",
    color_primaries: isHdr ? "bt2020" : "bt709",
    color_space: isHdr ? "bt2020nc" : "bt709",
    bit_depth: isHdr ? 10 : 8,
    audio_channels: pick(["2", "6", "8"], random),
    audio_layout: pick(["stereo", "5.1(side)", "7.1"], random),
    has_stereo_track: random() < 0.5,
    has_surround_track: random() < 0.5,
    action: pick(["skip", "needs_conversion"], random),
    conversion_params: null,
    processing_version: "1.0.0",
    conversion_count: 0,
    last_conversion_duration: null,
  };
}

/** A cache file as mediabox writes it, with Python's `json.dump(…, indent=2)`. */
export function cacheText(entries: readonly Entry[]): string {
  const texts = entries.map(({ hash, name, size, seconds, fields }) => {
    const head = `"fingerprint_hash": "${hash}",\n    "file_name": ${ascii(name)},\n    "file_size": ${size},\n    "file_mtime": ${pythonFloat(seconds)}`;
    const rest = Object.entries(fields).map(([key, value]) => `,\n    "${key}": ${ascii(value)}`);
    return `  "${hash}": {\n    ${head}${rest.join("")}\n  }`;
  });
  return texts.length === 0 ? "{}" : `{\n${texts.join(",\n")}\n}`;
}

/** A number as Python writes a float. */
export function pythonFloat(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}

/** Numbers from 0 to 1, the same every time. */
export function makeRandom(): () => number {
  let state = 42;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function ascii(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function pick<T>(from: readonly [T, ...T[]] | readonly T[], random: () => number): T {
  return from[Math.floor(random() * from.length)] as T;
}
