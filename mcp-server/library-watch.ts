import {
  CacheOpsError,
  printableJson,
  systemError,
  watchLibraries,
  type Context,
  type LibraryEvent,
  type RootFigures,
  type WatchStatus,
} from "@cache-ops/shared";

import { HEADERS } from "./http-answer.ts";

/** What is known of the libraries while the service watches them. */
interface LibraryState extends WatchStatus {
  readonly roots: readonly RootFigures[];
}

/** The watch of one service over its libraries, and who listens to it. */
export interface LibraryNews {
  /** `undefined`: the service was not told to watch. */
  readonly state: () => LibraryState | undefined;
  /** A stream of server-sent events. Throws `not_found` when nothing is watched, `unavailable` when too many listen. */
  readonly stream: () => Response;
  /** Ends the streams and the watch. */
  readonly close: () => Promise<void>;
}

/** Who listens at the same time, at most. */
const MOST_LISTENERS = 64;
/** A listener that leaves so many events unread is let go: it starts anew when it asks again. */
const MOST_WAITING = 10_000;
/** A listener without events hears so often that the service is there. */
const SILENCE_MS = 15_000;
/** Findings told of one directory; how many there are besides is said. */
const MOST_FINDINGS = 100;

type Listener = ReadableStreamDefaultController<Uint8Array>;

/** Watches the libraries if the configuration says so. What goes wrong is logged, and the rest goes on. */
export function makeLibraryNews(context: Context): LibraryNews {
  const { configuration, log } = context;
  const listeners = new Set<Listener>();
  const encoder = new TextEncoder();
  let number = 0;
  let lastFailure: string | undefined;

  const end = (listener: Listener) => {
    if (listeners.delete(listener)) listener.close();
  };
  const send = (text: string) => {
    const bytes = encoder.encode(text);
    for (const listener of listeners) {
      if ((listener.desiredSize ?? 0) > -MOST_WAITING) listener.enqueue(bytes);
      else end(listener);
    }
  };
  const tell = (name: string, data: unknown) => {
    number += 1;
    send(eventText(name, data, number));
  };
  const onEvent = (event: LibraryEvent) => {
    if (event.type === "failure") {
      const text = textOf(event.error);
      if (text !== lastFailure) log("libraries in trouble", { error: text });
      lastFailure = text;
      return;
    }
    lastFailure = undefined;
    if (event.type === "directory") {
      const { findings, ...news } = event.news;
      const shown = findings.slice(0, MOST_FINDINGS);
      tell("directory", { ...news, findings: shown, more: findings.length - shown.length });
    } else if (event.type === "root") tell("root", event.root);
    else {
      const { message, ...status } = event.status;
      log("libraries watched", { ...status, reason: message });
      tell("status", state());
    }
  };

  const watch = configuration.service.watch ? watchLibraries(context, onEvent) : undefined;
  const state = () => watch && { ...watch.status(), roots: watch.figures() };
  const pulse = setInterval(() => send(": still here\n\n"), SILENCE_MS);
  pulse.unref();
  return {
    state,
    stream: () => {
      if (watch === undefined) throw notWatched();
      if (listeners.size >= MOST_LISTENERS) {
        throw new CacheOpsError("unavailable", `${MOST_LISTENERS} listen already`, {
          hint: "Close streams that nobody reads, or ask /watch now and then.",
        });
      }
      let own: Listener | undefined;
      const body = new ReadableStream<Uint8Array>({
        start: (listener) => {
          own = listener;
          listeners.add(listener);
          listener.enqueue(encoder.encode(eventText("status", state(), number)));
        },
        cancel: () => {
          if (own !== undefined) listeners.delete(own);
        },
      });
      return new Response(body, { headers: { ...HEADERS, "content-type": "text/event-stream" } });
    },
    close: async () => {
      clearInterval(pulse);
      for (const listener of listeners) end(listener);
      await watch?.close();
    },
  };
}

/** What is said where nothing is watched. */
export function notWatched(): CacheOpsError {
  return new CacheOpsError("not_found", "this service does not watch the libraries", {
    hint: "The operator sets service.watch in the configuration and starts it again.",
  });
}

function eventText(name: string, data: unknown, id: number): string {
  return `event: ${name}\nid: ${id}\ndata: ${printableJson(JSON.stringify(data))}\n\n`;
}

function textOf(error: unknown): string {
  const known = systemError(error, "looking at the libraries");
  if (known instanceof CacheOpsError) return known.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
