import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { execPath } from "node:process";

import { META } from "../mcp-server/http-client.ts";
import { UNPRINTABLE } from "../mcp-server/inside.ts";
import { atEnd } from "../support/at-end.ts";
import { cliEnvironment, PROGRAM } from "../support/cli.ts";
import type { Dice } from "../support/dice.ts";
import { HANG_MS } from "./wire-http.ts";
import { oddJson } from "./wire-json.ts";

/** A running `cache-ops mcp` on pipes. */
export interface LineServer {
  readonly pid: number | undefined;
  /** Sends bytes and a line end, and resolves once whatever they ask for and a question after them is answered. */
  send(bytes: Buffer): Promise<number>;
  /** Asks for a tool, as one should; resolves with the answer as text. */
  call(): Promise<string>;
  /** Ends it; resolves with its exit code. */
  stop(): Promise<number | null>;
}

interface Line {
  readonly id?: string | number;
  readonly result?: { readonly isError?: boolean; readonly content?: readonly { readonly text?: string }[] };
  readonly error?: { readonly code: number; readonly message: string };
}

const CALL = { name: "check", arguments: { paths: ["films"], limit: 5 } };
const ABSENT = { plan: "plan-0000000000", acknowledge: "remove 1 entry in 1 cache under films; undo until 2030-01-01" };
const CLIENT = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "test", version: "1" } };

/** Whether the client says with every request what it is, as in 2026, or once. */
type Era = "2025" | "2026";

/** Messages as they should be. */
const MESSAGES: readonly (readonly [method: string, params: object])[] = [
  ["initialize", CLIENT],
  ["server/discover", {}],
  ["tools/list", { cursor: "x" }],
  ["tools/call", CALL],
  ["tools/call", { name: "stats", arguments: { paths: ["films"] }, _meta: { progressToken: 1 } }],
  ["tools/call", { name: "cleanup", arguments: { paths: ["films"], maxEntries: 5, include: ["**/*.mkv"] } }],
  ["tools/call", { name: "history", arguments: { run: "run-0000000000", limit: 5 } }],
  ["tools/call", { name: "apply", arguments: ABSENT }],
  ["tools/call", { name: "undo", arguments: { run: "run-0000000000", acknowledge: "undo" } }],
  ["resources/list", { cursor: "x" }],
  ["resources/templates/list", { cursor: "x" }],
  ["resources/read", { uri: "cache://run/run-0000000000" }],
  ["prompts/get", { name: "clean-up", arguments: { library: "films" } }],
  [
    "completion/complete",
    { ref: { type: "ref/resource", uri: "cache://run/{id}" }, argument: { name: "id", value: "r" } },
  ],
  ["nothing/known", { a: 1 }],
];

/** Starts one; in 2025 with its opening, in 2026 without, and after what is in `before`. */
export async function startLines(
  config: string,
  state: string,
  era: Era,
  before: readonly Buffer[],
): Promise<LineServer> {
  const child = spawn(execPath, [`--max-old-space-size=${LINE_HEAP_MB}`, PROGRAM, "mcp"], {
    env: cliEnvironment(state, config),
    stdio: ["pipe", "pipe", "inherit"],
  });
  running.add(child);
  // One that ended cannot be written to.
  child.stdin.on("error", () => undefined);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const waiting = new Map<string | number, (line: Line) => void>();
  const troubles: string[] = [];
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    const texts = `${rest}${part}`.split("\n");
    rest = texts.pop() ?? "";
    for (const text of texts) {
      const line = JSON.parse(text) as Line;
      const trouble = troubleIn(line);
      if (trouble !== undefined) troubles.push(`${trouble}: ${text.slice(0, 300)}`);
      waiting.get(line.id ?? "")?.(line);
    }
  });
  const answerTo = (id: string | number, ms = HANG_MS) => {
    const { promise, resolve, reject } = Promise.withResolvers<Line>();
    const timer = setTimeout(() => reject(new Error(`no answer to ${id} within ${ms} ms`)), ms);
    const gone = ended.then((code) => Promise.reject(new Error(`the server ended with ${code}`)));
    waiting.set(id, resolve);
    return Promise.race([promise, gone]).finally(() => {
      clearTimeout(timer);
      waiting.delete(id);
    });
  };
  let asked = 0;
  const ask = async (method: string, params: object, ms?: number) => {
    asked += 1;
    const id = `proper-${asked}`;
    const answer = answerTo(id, ms);
    child.stdin.write(lineOf(id, method, params, era));
    return answer;
  };
  const server: LineServer = {
    pid: child.pid,
    async send(bytes) {
      const ids = idsIn(bytes);
      const answers = ids.map((id) => answerTo(id));
      child.stdin.write(Buffer.concat([bytes, Buffer.from("\n")]));
      await Promise.all([...answers, ask("prompts/list", {})]);
      assert.deepEqual(troubles.splice(0), []);
      return ids.length;
    },
    async call() {
      const { result } = await ask("tools/call", CALL);
      return JSON.stringify(result?.content);
    },
    stop() {
      child.stdin.end();
      return ended;
    },
  };
  for (const bytes of before) child.stdin.write(Buffer.concat([bytes, Buffer.from("\n")]));
  if (era === "2025") await ask("initialize", CLIENT, START_MS);
  else await ask("server/discover", {}, START_MS);
  return server;
}

/** Before it answers at all, it has to be loaded. */
const START_MS = 60_000;

/** Such a server never needs more. */
const LINE_HEAP_MB = 96;

function lineOf(id: string | number, method: string, params: object, era: Era): string {
  const all =
    era === "2026" ? { ...params, _meta: { ...META, ...("_meta" in params ? (params._meta as object) : {}) } } : params;
  return `${JSON.stringify({ jsonrpc: "2.0", id, method, params: all })}\n`;
}

/** What is wrong with a line of a server, if anything is. */
function troubleIn({ error, result }: Line): string | undefined {
  if (error?.code === INTERNAL && !UNFIT.test(error.message)) return "an internal error";
  // What the SDK itself refuses, it names as it came.
  const texts = (result?.content ?? []).map(({ text = "" }) => text);
  if (texts.some((text) => UNPRINTABLE.test(text.replaceAll("\n", "")))) return "not printable";
  return result?.isError === true && /"code":\s*"internal"/.test(texts.join("")) ? "a bug" : undefined;
}

const INTERNAL = -32_603;
/** The SDK has that code also for parameters that do not fit: a list of what does not, and an address that is too long. */
const UNFIT = /^\[\n|^URI exceeds maximum length/;

/** The requests in bytes that are well formed, and have to be answered. */
function idsIn(bytes: Buffer): (string | number)[] {
  return bytes
    .toString("utf8")
    .split("\n")
    .flatMap((line) => {
      const message = jsonIn(line);
      if (!isObject(message)) return [];
      const { jsonrpc, id, method, params, ...more } = message;
      const isRequest =
        jsonrpc === "2.0" && typeof method === "string" && arePlain(params) && Object.keys(more).length === 0;
      return isRequest && (typeof id === "string" || Number.isSafeInteger(id)) ? [id as string | number] : [];
    });
}

/** Parameters as every request may have them. */
function arePlain(params: unknown): boolean {
  if (params === undefined) return true;
  if (!isObject(params)) return false;
  const { _meta: meta } = params;
  if (meta === undefined) return true;
  const token = isObject(meta) ? meta["progressToken"] : null;
  return token === undefined || typeof token === "string" || Number.isSafeInteger(token);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function jsonIn(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A line for the number of a case, without its end, as it should be or not; and what it is to be counted as. */
export function makeLine(dice: Dice, id: number): { readonly bytes: Buffer; readonly kind: string } {
  const [method, params] = dice.pick(MESSAGES);
  const line = lineOf(
    dice.chance(0.9) ? id : dice.pick(["", "x", -1, 0, 1e15]),
    method,
    params,
    dice.pick(["2025", "2026"]),
  );
  const text = line.slice(0, -1);
  const share = dice.below(100);
  if (share < 10) return { bytes: Buffer.from(text), kind: "as it should be" };
  if (share < 75) return { bytes: oddJson(text, dice), kind: "odd JSON" };
  const at = dice.below(text.length);
  const within = (piece: Buffer) => Buffer.concat([Buffer.from(text.slice(0, at)), piece, Buffer.from(text.slice(at))]);
  const [kind, make] = dice.pick<readonly [string, () => Buffer]>([
    ["no UTF-8", () => within(Buffer.from(dice.pick(["ff", "c080", "eda080", "f8", "80", "fffe"]), "hex"))],
    ["control characters", () => within(Buffer.from(dice.pick(["\0", "\r", "\n", "\x1b[31m", "\x7f", "\u2028"])))],
    [
      "batches",
      () => Buffer.from(dice.pick([`[${text},${text}]`, `[${text}]`, "[]", `[${text}`, `[[${text}]]`, "[1,null]"])),
    ],
    ["several in a line", () => Buffer.from(`${text}${dice.pick(["", " ", ",", "\0"])}${text}`)],
    ["blank lines", () => Buffer.from(dice.pick(["", " ", "\r", "\t\t", "\n\n\n", "\ufeff"]))],
    [
      "spaces around",
      () => Buffer.from(dice.pick([` ${text}`, `\ufeff${text}`, `${text}\r`, `${text} \t`, `\n${text}`])),
    ],
    ["huge lines", () => within(Buffer.from("x".repeat(10 ** (3 + dice.below(4)))))],
    [
      "answers nobody asked for",
      () => Buffer.from(JSON.stringify({ jsonrpc: "2.0", id, [dice.pick(["result", "error"])]: params })),
    ],
    [
      "notifications",
      () =>
        Buffer.from(
          JSON.stringify({ jsonrpc: "2.0", method: dice.pick(NOTIFICATIONS), params: { ...params, requestId: id } }),
        ),
    ],
  ]);
  return { bytes: make(), kind };
}

const NOTIFICATIONS = [
  "notifications/initialized",
  "notifications/cancelled",
  "notifications/progress",
  "notifications/roots/list_changed",
  "notifications/unknown",
];

const running = new Set<ReturnType<typeof spawn>>();

atEnd(() => {
  for (const child of running) child.kill("SIGKILL");
});
