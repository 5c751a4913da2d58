import type { IncomingMessage, Server } from "node:http";

import { serve } from "@hono/node-server";

/** Answers one request. `target` is what stood in the request line, before anything was decoded or resolved. */
export type Answer = (request: Request, target: string) => Promise<Response>;

/** A server that listens. */
export interface Listening {
  /** Where, without a path: `http://127.0.0.1:7777`. */
  readonly origin: string;
  readonly server: Server;
  /** Takes no more connections; resolves once the last has ended. */
  readonly close: () => Promise<void>;
}

/** Listens; resolves with the address once it does. Rejects with the system's error when it cannot. */
export function listen(
  answer: Answer,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const fetch = (request: Request, { incoming }: { readonly incoming: Pick<IncomingMessage, "url"> }) =>
      answer(request, incoming.url ?? "");
    const server = serve({ fetch, hostname: host, port }, ({ address, port }) => {
      resolve({
        origin: `http://${address.includes(":") ? `[${address}]` : address}:${port}`,
        server,
        close: () => new Promise((closed) => server.close(() => closed())),
      });
    }) as Server;
    server.on("error", reject);
  });
}
