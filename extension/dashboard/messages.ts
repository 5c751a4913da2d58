import type { Dashboard } from "./figures.ts";

/** What the editor tells the page. */
export type ToPage =
  | { readonly type: "working"; readonly text: string }
  | { readonly type: "figures"; readonly dashboard: Dashboard }
  /** What is shown may be out of date, and why. */
  | { readonly type: "failed"; readonly message: string; readonly hint: string | null };

/** What the page asks of the editor. */
export type FromPage =
  /** The page is there. `hasFigures`: it still shows what it was told last. */
  | { readonly type: "ready"; readonly hasFigures: boolean }
  | { readonly type: "refresh" }
  | { readonly type: "cleanup" }
  | { readonly type: "configure" }
  | { readonly type: "log" }
  | { readonly type: "undo"; readonly run: string };

/** The message that a page sent, or `undefined` when it is none of these. */
export function toFromPage(message: unknown): FromPage | undefined {
  if (typeof message !== "object" || message === null || !("type" in message)) return undefined;
  switch (message.type) {
    case "refresh":
    case "cleanup":
    case "configure":
    case "log":
      return { type: message.type };
    case "ready":
      return { type: "ready", hasFigures: "hasFigures" in message && message.hasFigures === true };
    case "undo":
      return "run" in message && typeof message.run === "string" ? { type: "undo", run: message.run } : undefined;
    default:
      return undefined;
  }
}
