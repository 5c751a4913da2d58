import { gzipSync } from "node:zlib";

import type { Dice } from "../support/dice.ts";
import { oddJson } from "./wire-json.ts";
import type { Sketch } from "./wire-requests.ts";

/** A change after which a request is still whole, and has to be answered. */
export type Change = readonly [kind: string, change: (sketch: Sketch, dice: Dice) => Sketch];

/** A request with one header set. */
export const withHeader = (sketch: Sketch, name: string, value: string): Sketch => ({
  ...sketch,
  headers: [...sketch.headers.filter(([other]) => other.toLowerCase() !== name.toLowerCase()), [name, value]],
});

const VALUES = [
  "",
  "-1",
  "0",
  "*",
  ",,,,",
  "null",
  "a b\tc",
  "\xff\xfe\x80",
  '"unclosed',
  "127.0.0.1",
  "evil.example",
  "http://evil.example",
  "Bearer",
  "Bearer  wrong",
  "Basic Og==",
  "application/json; charset=utf-16",
  "application/json;",
  "text/plain",
  "multipart/form-data; boundary=x",
  "gzip, br",
  "bytes=0-,-1",
  "2026-07-28",
  "1999-01-01",
  "tools/list",
  "=?utf-8?B?Y2hlY2s=?=",
  "Thu, 99 Foo 2026 99:99:99 GMT",
  "x".repeat(3000),
];

const NAMES = [
  "Host",
  "Authorization",
  "Content-Type",
  "Content-Encoding",
  "Accept",
  "Accept-Encoding",
  "Origin",
  "Cookie",
  "Range",
  "If-Modified-Since",
  "Forwarded",
  "X-HTTP-Method-Override",
  "mcp-protocol-version",
  "mcp-method",
  "mcp-name",
  "mcp-session-id",
  "last-event-id",
  "__proto__",
  "constructor",
];

/** Changes for every request. */
export const WITHOUT_BODY: readonly Change[] = [
  ["another header", (sketch, dice) => withHeader(sketch, dice.pick(NAMES), dice.pick(VALUES))],
  [
    "a header twice",
    (sketch, dice) => {
      const [name, value] = dice.pick(sketch.headers);
      return { ...sketch, headers: [...sketch.headers, [name, dice.chance(0.5) ? value : dice.pick(VALUES)]] };
    },
  ],
  [
    "without a header",
    (sketch, dice) => {
      const gone = dice.pick(sketch.headers);
      return { ...sketch, headers: sketch.headers.filter((header) => header !== gone) };
    },
  ],
  [
    "a wrong token",
    (sketch, dice) =>
      withHeader(sketch, "Authorization", dice.pick(["Bearer wrong", "Bearer ", "bearer x", ...VALUES])),
  ],
  [
    "many headers",
    (sketch, dice) => ({
      ...sketch,
      headers: [...sketch.headers, ...Array.from({ length: dice.below(400) }, (_, at) => [`x-${at}`, "y"] as const)],
    }),
  ],
  ["another method", (sketch, dice) => ({ ...sketch, line: sketch.line.replace(/^\S+/, dice.pick(METHODS)) })],
  [
    "another path",
    (sketch, dice) => {
      const at = sketch.line.indexOf("/") + 1 + dice.below(sketch.line.length - sketch.line.indexOf("/"));
      return { ...sketch, line: sketch.line.slice(0, at) + dice.pick(PIECES) + sketch.line.slice(at) };
    },
  ],
  [
    "another query",
    (sketch, dice) => ({ ...sketch, line: `${sketch.line}${dice.chance(0.5) ? "?" : "&"}${dice.pick(QUERIES)}` }),
  ],
];

const METHODS = ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "PURGE", "QUERY", "SEARCH"];
const PIECES = "/ // . .. ../ ..%2f %2e%2e %00 %0d%0a %ff %c0%ae %ed%a0%80 % %zz ; : @ * ~ ' \" < { | \\ ^ ` x".split(
  " ",
);
const QUERIES = [
  "limit=1e400",
  "limit=99999999999999999999",
  "limit=-0",
  "__proto__=1",
  "constructor[prototype]=1",
  "paths=%00",
  "paths=..%2f..",
  "paths=%ff%fe",
  "paths=/&paths=/etc",
  "problem=rotten",
  "cache=other",
  "=",
  "&&&",
  "a[]=1",
  "%",
  Array.from({ length: 500 }, (_, at) => `p${at}=1`).join("&"),
];

/** Changes for one with a body. */
export const WITH_BODY: readonly Change[] = [
  ...WITHOUT_BODY,
  ...Array.from({ length: 12 }, (): Change => [
    "odd JSON",
    (sketch, dice) => ({ ...sketch, body: oddJson(sketch.body.toString(), dice) }),
  ]),
  [
    "another encoding",
    (sketch, dice) => {
      const text = sketch.body.toString();
      const body = dice.pick([
        Buffer.from(text, "utf16le"),
        Buffer.from(`\ufeff${text}`),
        Buffer.from(text.replace("films", "f\xfflms"), "latin1"),
        Buffer.from(text.replaceAll('"', "'")),
        gzipSync(text),
      ]);
      return dice.chance(0.5) ? { ...sketch, body } : withHeader({ ...sketch, body }, "Content-Encoding", "gzip");
    },
  ],
];
