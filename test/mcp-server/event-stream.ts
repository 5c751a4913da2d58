import { request, type ClientRequest } from "node:http";
import { createInterface } from "node:readline";

import type { ServiceServer } from "./service-server.ts";

/** One event of a stream. */
export interface StreamEvent {
  readonly name: string;
  readonly data: Record<string, unknown>;
}

/** An open stream of events. */
export interface EventStream {
  /** The next event of which this holds; those before it are passed over. Rejects when the stream ends first. */
  next(wanted: (event: StreamEvent) => boolean): Promise<StreamEvent>;
  /** Everything that came so far. */
  readonly events: readonly StreamEvent[];
  readonly ended: Promise<void>;
  close(): void;
}

/** Listens at `/events`. Rejects with the status when it is not let in. */
export function listenTo({ origin, token }: Pick<ServiceServer, "origin" | "token">): Promise<EventStream> {
  const events: StreamEvent[] = [];
  let at = 0;
  let told = Promise.withResolvers<void>();
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  let isOver = false;
  const next: EventStream["next"] = async (wanted) => {
    for (;;) {
      for (const event of events.slice(at)) {
        at += 1;
        if (wanted(event)) return event;
      }
      if (isOver) throw new Error(`the stream ended after ${JSON.stringify(events.at(-1))}`);
      await told.promise;
    }
  };
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const asking: ClientRequest = request(`${origin}/events`, { headers, agent: false }, (answer) => {
      if (answer.statusCode !== 200) {
        answer.resume();
        reject(new Error(`answered with ${answer.statusCode}`));
        return;
      }
      const wake = () => {
        told.resolve();
        told = Promise.withResolvers();
      };
      let name = "";
      const lines = createInterface(answer);
      // The service went, or the listener: the answer says so, too.
      lines.on("error", () => undefined);
      lines.on("line", (line) => {
        if (line.startsWith("event: ")) name = line.slice(7);
        if (!line.startsWith("data: ")) return;
        events.push({ name, data: JSON.parse(line.slice(6)) as Record<string, unknown> });
        wake();
      });
      const over = () => {
        isOver = true;
        wake();
        end();
      };
      answer.on("close", over);
      answer.on("error", over);
      resolve({ next, events, ended, close: () => asking.destroy() });
    });
    asking.on("error", reject);
    asking.end();
  });
}
