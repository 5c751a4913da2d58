import type { Dice } from "../support/dice.ts";
import { withHeader } from "./wire-changes.ts";
import { written, type Sketch } from "./wire-requests.ts";

/** A way to write a request down after which nobody can say where it ends. */
export type Spoiling = readonly [kind: string, spoil: (sketch: Sketch, dice: Dice) => Buffer];

/** Puts something in, somewhere before `end`. */
function insert(bytes: Buffer, piece: string, dice: Dice, end = bytes.length): Buffer {
  const at = dice.below(end + 1);
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(piece, "latin1"), bytes.subarray(at)]);
}

/** All of them. */
export const SPOILED: readonly Spoiling[] = [
  [
    "flipped bits",
    (sketch, dice) => {
      const bytes = written(sketch);
      for (let times = 1 + dice.below(4); times > 0; times -= 1) {
        const at = dice.below(bytes.length);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << dice.below(8));
      }
      return bytes;
    },
  ],
  [
    "control characters",
    (sketch, dice) => {
      const bytes = written(sketch);
      const piece = dice.pick([
        "\0",
        "\r",
        "\n",
        "\r\n",
        "\r\n\r\n",
        "\n ",
        "\x0b",
        "\x1b[31m",
        "\x7f",
        "\x80",
        " ",
        ":",
      ]);
      return insert(bytes, piece, dice, bytes.indexOf("\r\n\r\n"));
    },
  ],
  ["cut off", (sketch, dice) => written(sketch).subarray(0, dice.below(written(sketch).length))],
  [
    "a wrong length",
    (sketch, dice) => {
      const length = sketch.body.length;
      const said = dice.pick([
        length + 1,
        length - 1,
        0,
        -1,
        2 ** 31,
        1e21,
        "1e3",
        "0x10",
        "+5",
        "5, 5",
        "",
        "٣",
        "5\t6",
      ]);
      return written({ ...sketch, headers: [...sketch.headers, ["Content-Length", String(said)]] });
    },
  ],
  [
    "two lengths",
    (sketch, dice) =>
      written(sketch, `Content-Length: ${dice.below(500)}`, dice.pick(["Transfer-Encoding: chunked", "x: y"])),
  ],
  [
    "odd chunks",
    ({ body, ...sketch }, dice) => {
      const size = body.length.toString(16);
      const piece = body.toString("latin1");
      const odd = dice.pick([
        `${size}\r\n${piece}\r\n0\r\n\r\n`,
        `${size};ext="${"x".repeat(dice.below(20_000))}"\r\n${piece}\r\n0\r\n\r\n`,
        `${size}\r\n${piece}\r\n0\r\nContent-Length: 1\r\nHost: evil.example\r\n\r\n`,
        `${"0".repeat(100)}${size}\r\n${piece}\r\n0\r\n\r\n`,
        `fffffffffffffffff\r\n${piece}`,
        `-1\r\n${piece}\r\n0\r\n\r\n`,
        `${size}\n${piece}\n0\n\n`,
        `${size}\r\n${piece}0\r\n\r\n`,
        piece.replaceAll(/[^]/g, "1\r\n$&\r\n"),
        "\r\n\r\n",
      ]);
      const encoding = dice.pick(["chunked", "Chunked", "chunked, chunked", "gzip, chunked", "identity", "xchunked"]);
      const headers = [...sketch.headers, ["Transfer-Encoding", encoding] as const];
      return written({ ...sketch, headers, body: Buffer.from(odd, "latin1") });
    },
  ],
  [
    "huge lines",
    (sketch, dice) => {
      const filler = "x".repeat(10 ** (3 + dice.below(3)));
      return dice.pick([
        () => written({ ...sketch, line: `${sketch.line}${filler}` }),
        () => written(withHeader(sketch, "X-Long", filler)),
        () => written(withHeader(sketch, `X-${filler}`, "y")),
        () => written(sketch, ...Array.from({ length: 3000 }, (_, at) => `x-${at}: y`)),
        () => written({ ...sketch, body: Buffer.from(`{"paths":["${filler.repeat(12)}"]}`) }),
      ])();
    },
  ],
  [
    "another version",
    (sketch, dice) => {
      const version = dice.pick([
        "HTTP/1.0",
        "HTTP/0.9",
        "HTTP/2.0",
        "HTTP/9.9",
        "HTTP/1.1.1",
        "http/1.1",
        "ICY/1.1",
        "",
      ]);
      return Buffer.from(written(sketch).toString("latin1").replace("HTTP/1.1", version), "latin1");
    },
  ],
  [
    "an upgrade",
    (sketch, dice) => written(sketch, `Upgrade: ${dice.pick(["websocket", "h2c", "TLS/1.0"])}`, "Connection: Upgrade"),
  ],
  ["an expectation", (sketch, dice) => written(sketch, `Expect: ${dice.pick(["100-continue", "200-ok", ""])}`)],
  ["a tunnel", (sketch) => written({ ...sketch, line: "CONNECT 127.0.0.1:9" })],
  [
    "a whole address",
    (sketch, dice) =>
      written({
        ...sketch,
        line: sketch.line.replace(
          " ",
          dice.pick([" http://127.0.0.1", " http://evil.example", " //", " *", " http://[", " "]),
        ),
      }),
  ],
  [
    "another protocol",
    (_, dice) =>
      dice.pick([
        Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        Buffer.from("16030100c8010000c40303", "hex"),
        Buffer.from('{"jsonrpc":"2.0","id":1,"method":"ping"}\n'),
        Buffer.from("\r\n\r\n\r\n"),
        Buffer.from(Array.from({ length: 300 }, () => dice.below(256))),
      ]),
  ],
];
