import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

import type { Message } from "./wire-messages.ts";

/** What came back. */
export interface WireAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** A client that sends bytes as they are, over one connection as long as that is kept. */
export interface WireClient {
  /** Resolves with what was answered. Throws when what had to be answered was not, or took too long. */
  send(message: Pick<Message, "bytes" | "answers">): Promise<readonly WireAnswer[]>;
  /** Goes away in the middle of a message. */
  leave(bytes: Buffer): Promise<void>;
  close(): void;
}

/** Whatever takes longer hangs: no answer costs a second, but other programs may keep the processors. */
export const HANG_MS = 30_000;
/** After so long, bytes that need not be answered are taken for the beginning of a longer message. */
const PATIENCE_MS = 15;

/** A client of a server on the loopback address. */
export function makeWireClient(port: number): WireClient {
  let kept: Connection | undefined;
  const exchange = async (connection: Connection, { bytes, answers }: Pick<Message, "bytes" | "answers">) => {
    connection.socket.write(bytes);
    if (answers > 0) await connection.until((got) => got >= answers, HANG_MS);
    else {
      await connection.until((got) => got > 0, PATIENCE_MS);
      connection.socket.end();
      await connection.until(() => false, HANG_MS);
      assert.ok(connection.isClosed(), `a connection is kept that the client has ended, ${HANG_MS} ms later`);
    }
    return connection.take();
  };
  return {
    async send(message) {
      const isUsed = kept !== undefined && !kept.isClosed();
      const connection = isUsed && kept !== undefined ? kept : await open(port);
      kept = undefined;
      const got = await exchange(connection, message);
      // One that was kept may have been given up while nobody used it.
      if (isUsed && got.length === 0 && message.answers > 0 && connection.isClosed()) return this.send(message);
      const isDone = got.length >= message.answers || (got.length > 0 && connection.isClosed());
      if (!isDone) connection.socket.destroy();
      assert.ok(isDone, `${got.length} of ${message.answers} answers within ${HANG_MS} ms`);
      if (message.answers > 0 && got.every(({ head }) => !/^connection: close$/im.test(head))) kept = connection;
      else connection.socket.destroy();
      return got;
    },
    async leave(bytes) {
      const { socket } = await open(port);
      socket.write(bytes);
      await delay(1);
      socket.resetAndDestroy();
    },
    close: () => kept?.socket.destroy(),
  };
}

interface Connection {
  readonly socket: Socket;
  isClosed(): boolean;
  /** Resolves when so many answers are there, the connection is closed, or it took too long. */
  until(isEnough: (answers: number) => boolean, ms: number): Promise<void>;
  /** The answers that came. Throws when something else came. */
  take(): WireAnswer[];
}

async function open(port: number): Promise<Connection> {
  const socket = connect(port, "127.0.0.1");
  let isClosed = false;
  let read: Buffer = Buffer.alloc(0);
  let news = Promise.withResolvers<void>();
  const tell = () => {
    news.resolve();
    news = Promise.withResolvers();
  };
  socket.on("data", (part) => {
    read = Buffer.concat([read, part]);
    tell();
  });
  socket.on("close", () => {
    isClosed = true;
    tell();
  });
  // A server that has answered need not read the rest.
  socket.on("error", () => socket.destroy());
  await Promise.race([once(socket, "connect"), once(socket, "close")]);
  return {
    socket,
    isClosed: () => isClosed,
    async until(isEnough, ms) {
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        tell();
      }, ms);
      const isOver = () => isLate || isClosed || isEnough(answersIn(read, isClosed).answers.length);
      while (!isOver()) await news.promise;
      clearTimeout(timer);
    },
    take() {
      const { answers, rest } = answersIn(read, isClosed);
      read = rest;
      return answers;
    },
  };
}

/** The whole answers at the beginning of what was read. */
function answersIn(read: Buffer, isClosed: boolean): { readonly answers: WireAnswer[]; readonly rest: Buffer } {
  const answers: WireAnswer[] = [];
  let rest = read;
  for (;;) {
    const end = rest.indexOf("\r\n\r\n");
    if (end < 0) return { answers, rest };
    const head = rest.toString("latin1", 0, end);
    const status = Number(/^HTTP\/1\.1 (\d{3}) [ -~]*(\r\n[!-9;-~]+: ?[\t -~]*)*$/.exec(head)?.[1]);
    assert.ok(status >= 100, `no answer of HTTP: ${JSON.stringify(head.slice(0, 200))}`);
    const body = bodyOf(head, status, rest.subarray(end + 4), isClosed);
    if (body === undefined) return { answers, rest };
    if (status >= 200) answers.push({ status, head, body: body.text });
    rest = body.rest;
  }
}

function bodyOf(head: string, status: number, bytes: Buffer, isClosed: boolean) {
  if (status < 200 || status === 204 || status === 304) return { text: "", rest: bytes };
  const length = /^content-length: (\d+)$/im.exec(head)?.[1];
  if (length !== undefined) {
    const end = Number(length);
    return bytes.length < end ? undefined : { text: bytes.toString("utf8", 0, end), rest: bytes.subarray(end) };
  }
  if (/^transfer-encoding: chunked$/im.test(head)) return unchunked(bytes);
  return isClosed ? { text: bytes.toString("utf8"), rest: Buffer.alloc(0) } : undefined;
}

function unchunked(bytes: Buffer) {
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const end = bytes.indexOf("\r\n", at);
    if (end < 0) return undefined;
    const size = Number.parseInt(bytes.toString("latin1", at, end), 16);
    assert.ok(size >= 0, "the size of a chunk");
    const next = end + 2 + size + 2;
    if (bytes.length < next) return undefined;
    parts.push(bytes.subarray(end + 2, end + 2 + size));
    at = next;
    if (size === 0) return { text: Buffer.concat(parts).toString("utf8"), rest: bytes.subarray(at) };
  }
}
