import { errnoOf } from "../../errors.ts";
import { openAnswer } from "./orchestrator-request.ts";

/** An event stream that is listened to. */
export interface Listening {
  /** `ended` when it broke off, was silent for a minute, or could not be reached; `none` when there is no such thing. */
  readonly state: () => "open" | "ended" | "none";
  /** Stops listening. Throws what was a bug while listening. */
  close(): Promise<void>;
}

/** Where to listen, and until when. */
export interface ListenOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Longer than the 15 seconds between two signs of life: a stream that is silent for so long is dead. */
const SILENCE_MS = 60_000;

/**
 * Listens to server-sent events and calls `onEvent` for each, or for several at once. What they say is not looked at:
 * an event is a reason to ask. That the stream cannot be had is no error, only silence.
 */
export function listenTo(url: URL, { headers, signal }: ListenOptions, onEvent: () => void): Listening {
  const stop = new AbortController();
  let state: "open" | "ended" | "none" = "open";
  const listen = async () => {
    const response = await openAnswer({
      url,
      headers: { accept: "text/event-stream", ...headers },
      signal: AbortSignal.any([signal, stop.signal]),
    });
    const isStream = response.headers["content-type"]?.startsWith("text/event-stream") === true;
    if (response.statusCode !== 200 || !isStream) {
      state = "none";
      response.destroy();
      return;
    }
    response.setTimeout(SILENCE_MS, () => response.destroy());
    let isLineStart = true;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      const text = chunk.toString("latin1");
      // Comments, the signs of life, begin with a colon.
      if (/\n[^:\r\n]/.test(isLineStart ? `\n${text}` : text)) onEvent();
      isLineStart = text.endsWith("\n");
    }
  };
  const end = async () => {
    try {
      await listen();
    } catch (error) {
      // It breaks off when the server goes, and when we do.
      if (errnoOf(error) === undefined) throw error;
    } finally {
      if (state === "open") state = "ended";
    }
  };
  const ended = end();
  return {
    state: () => state,
    async close() {
      stop.abort();
      await ended;
    },
  };
}
