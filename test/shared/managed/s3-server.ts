import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { createInterface } from "node:readline";

import type { ObjectStorage } from "../../../shared/caches/managed/settings.ts";
import { makePlace } from "../../support/place.ts";

/** A real S3 server, in a process of its own, with one bucket. It is ended with the test file. */
export interface S3Server {
  readonly settings: ObjectStorage;
  /** Where the server keeps the objects of the bucket, as files. */
  readonly directory: string;
  kill(): Promise<void>;
}

const SERVER = new URL("../../../node_modules/s3rver/bin/s3rver.js", import.meta.url).pathname;
const started: ChildProcess[] = [];

/** Keys that the server lets in. It knows no others, and does not look at the secret of version 4 signatures. */
export const S3_KEYS = { accessKeyId: "S3RVER", secretAccessKey: "secret-7f3a9c" };

/** Starts the server on a free port of the loopback address. */
export async function startS3(): Promise<S3Server> {
  const directory = makePlace("s3");
  const words = ["-d", directory, "-a", "127.0.0.1", "-p", "0", "--configure-bucket", "cold"];
  // It encrypts the tokens of its pages with DES.
  const child = spawn(process.execPath, ["--openssl-legacy-provider", SERVER, ...words], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  started.push(child);
  let port: string | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    port = /listening on .*:(\d+)/.exec(line)?.[1];
    if (port !== undefined) break;
  }
  child.stdout.resume();
  return {
    settings: { endpoint: `http://127.0.0.1:${port}`, region: "us-east-1", bucket: "cold", prefix: "cache-ops/" },
    directory: `${directory}/cold`,
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

const proxies: Server[] = [];

/**
 * A store between us and the real one that does what is asked of it, except where `judge` says otherwise. `cut`: it
 * says that the object is shorter; `swap`: one byte of the answer is another; `fail`: a download ends in the middle.
 */
export async function startProxy(
  endpoint: string,
  judge: (path: string, method: string) => string | undefined,
): Promise<string> {
  const { hostname, port } = new URL(endpoint);
  const proxy = createServer((request, response) => {
    const { url = "", method = "" } = request;
    const verdict = judge(url, method);
    if (verdict === "fail" && method === "GET") {
      response.writeHead(200, { "content-length": "500" });
      response.write("x");
      response.socket?.destroy();
      return;
    }
    const upstream = connect(Number(port), hostname);
    const head = [`${method} ${url} HTTP/1.1`];
    for (let index = 0; index < request.rawHeaders.length; index += 2) {
      const name = request.rawHeaders[index] ?? "";
      if (name.toLowerCase() !== "connection") head.push(`${name}: ${request.rawHeaders[index + 1] ?? ""}`);
    }
    upstream.on("error", () => response.socket?.destroy());
    upstream.write(`${head.join("\r\n")}\r\nConnection: close\r\n\r\n`);
    request.on("data", (chunk: Buffer) => upstream.write(chunk));
    const chunks: Buffer[] = [];
    upstream.on("data", (chunk: Buffer) => chunks.push(chunk));
    upstream.on("close", () => {
      const answer = Buffer.concat(chunks);
      if (verdict === "swap" && answer.length > 0) answer[answer.length - 20] = (answer.at(-20) ?? 0) ^ 1;
      const text = answer.toString("latin1");
      const cut = verdict === "cut" ? text.replace(/content-length: \d+/i, "content-length: 7") : text;
      response.socket?.end(Buffer.from(cut, "latin1"));
    });
  });
  proxies.push(proxy);
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}

after(() => {
  for (const proxy of proxies) proxy.close();
  for (const child of started) child.kill("SIGKILL");
});
