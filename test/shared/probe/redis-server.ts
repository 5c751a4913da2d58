import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { atEnd } from "../../support/at-end.ts";
import { makePlace } from "../../support/place.ts";

/** A real Redis on a socket of its own. It is ended with the test file. */
export interface RedisServer {
  readonly url: string;
  /** Runs `redis-cli` with these words and returns what it printed. */
  ask(...words: readonly string[]): string;
  /** Keeps the server busy; resolves when it answers again. */
  sleep(seconds: number): Promise<unknown>;
  kill(): Promise<void>;
  /** Stops the process as it is, without a word to anybody, or lets it go on. */
  signal(name: "SIGSTOP" | "SIGCONT"): void;
  /** Starts it again: empty, or with what its options let it keep. */
  start(): Promise<void>;
}

const started: ChildProcess[] = [];
const servers: { readonly server: Server; readonly sockets: Set<Socket> }[] = [];

/** Starts Redis; it keeps nothing on disk. */
export async function startRedis(...options: readonly string[]): Promise<RedisServer> {
  const socket = join(makePlace("redis"), "socket");
  const words = ["--port", "0", "--unixsocket", socket, "--save", "", "--enable-debug-command", "yes", ...options];
  const ask = (...args: readonly string[]) => execFileSync("redis-cli", ["-s", socket, ...args], { encoding: "utf8" });
  let child: ChildProcess;
  const start = async () => {
    child = spawn("redis-server", words, { stdio: "ignore" });
    started.push(child);
    for (;;) {
      try {
        if (/PONG|NOAUTH/.test(execFileSync("redis-cli", ["-s", socket, "ping"], { encoding: "utf8", stdio: "pipe" })))
          return;
      } catch (error) {
        if (child.exitCode !== null) throw error;
      }
      await delay(20);
    }
  };
  await start();
  return {
    url: `unix://${socket}`,
    ask,
    sleep: (seconds) => once(spawn("redis-cli", ["-s", socket, "debug", "sleep", String(seconds)]), "exit"),
    async kill() {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    },
    signal: (name) => child.kill(name),
    start,
  };
}

/** A server that is no Redis: it says `text` to everybody, or nothing at all. Returns its URL. */
export async function startStandIn(text: string | undefined): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", () => {
      if (text !== undefined) socket.write(text);
    });
  });
  servers.push({ server, sockets });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

atEnd(() => {
  for (const child of started) child.kill("SIGKILL");
  for (const { server, sockets } of servers) {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});
