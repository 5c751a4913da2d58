import { once } from "node:events";
import { stdin, stdout } from "node:process";
import { isDeepStrictEqual } from "node:util";

import type { Transport } from "@modelcontextprotocol/server";

import { CAPABILITIES, identityOf, INSTRUCTIONS } from "./introduction.ts";

/*
 * A client of 2025 begins with `initialize` and waits. Who has the default tools is told the same every time; so that is
 * answered at once, and the rest of the server is loaded while the client makes up its mind. The server reads the
 * request, too, and its own answer is left out: test/mcp-server/greeting.test.ts has it that the two are the same.
 */

/** An answer that was given before the server was there. */
export interface Greeting {
  readonly id: string | number;
  readonly result: object;
}

/** The revisions of the protocol that begin with `initialize`. */
export const REVISIONS: readonly unknown[] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05", "2024-10-07"];

/** Longer, no opening is. */
const MOST_BYTES = 65_536;

/**
 * Waits for the first message on standard input and answers it if it is a plain `initialize`. The message stays to be
 * read. Resolves to what was answered, `undefined` when that is left to the server.
 */
export async function greet(version: string): Promise<Greeting | undefined> {
  const greeting = greetingFor(await opening(), version);
  if (greeting !== undefined) stdout.write(`${JSON.stringify({ ...greeting, jsonrpc: "2.0" })}\n`);
  return greeting;
}

async function opening(): Promise<string> {
  let read = Buffer.alloc(0);
  while (!read.includes("\n") && read.length < MOST_BYTES && !stdin.readableEnded) {
    const chunk = stdin.read() as Buffer | null;
    if (chunk === null) await Promise.race([once(stdin, "readable"), once(stdin, "end")]);
    else read = Buffer.concat([read, chunk]);
  }
  if (!stdin.readableEnded) stdin.unshift(read);
  return read.toString("utf8").split("\n", 1)[0] ?? "";
}

/** The answer to a first message, if it is one that needs no server: nothing in it is out of the ordinary. */
export function greetingFor(line: string, version: string): Greeting | undefined {
  let message: unknown;
  try {
    message = JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const { id, params, ...rest } = partsOf(message);
  if (!isDeepStrictEqual(rest, { jsonrpc: "2.0", method: "initialize" })) return undefined;
  if (typeof id !== "string" && !Number.isSafeInteger(id)) return undefined;
  const { protocolVersion, capabilities, clientInfo, ...further } = partsOf(params);
  const { name, version: theirs, ...more } = partsOf(clientInfo);
  const isPlain =
    REVISIONS.includes(protocolVersion) &&
    Object.keys(further).length === 0 &&
    [name, theirs, ...Object.values(more)].every((each) => typeof each === "string") &&
    hasNothingOdd(capabilities);
  if (!isPlain) return undefined;
  const result = {
    protocolVersion,
    capabilities: { ...CAPABILITIES, completions: {} },
    serverInfo: identityOf(version),
    instructions: INSTRUCTIONS,
  };
  return { id: id as string | number, result };
}

/** Whether capabilities are objects, made of nothing but objects and flags, as the protocol has them. */
function hasNothingOdd(capabilities: unknown): boolean {
  const isFlagOrRecord = (value: unknown): boolean =>
    typeof value === "boolean" || (isRecord(value) && Object.values(value).every(isFlagOrRecord));
  return isRecord(capabilities) && Object.values(capabilities).every((each) => isRecord(each) && isFlagOrRecord(each));
}

function partsOf(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {};
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Has a transport leave out the answer that was given already. Should the server give another one, that is sent. */
export function leaveOut({ id, result }: Greeting, transport: Transport): Transport {
  const send = transport.send.bind(transport);
  transport.send = async (message, options) => {
    const isSame = "result" in message && message.id === id && isDeepStrictEqual(plain(message.result), plain(result));
    if (!isSame) return send(message, options);
    transport.send = send;
  };
  return transport;
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
