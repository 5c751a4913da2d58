import { printable } from "../../printable.ts";
import { formatSeconds } from "../../units.ts";
import type { Idleness, Occupation } from "./idle.ts";

/** A judgement in a few words, fit to be shown: `idle for 2m`, `busy: stream abc (started)`, `unknown: …`. */
export function sayIdleness(idleness: Idleness, now: number): string {
  switch (idleness.state) {
    case "idle":
      return `idle for ${formatSeconds(Math.max(0, now - idleness.since) / 1000)}`;
    case "busy":
      return `busy: ${idleness.by.map((occupation) => sayOccupation(occupation, now)).join(", ")}`;
    case "unknown":
      return `unknown: ${idleness.why}`;
  }
}

function sayOccupation(occupation: Occupation, now: number): string {
  switch (occupation.kind) {
    case "stream":
      return `stream ${nameOf(occupation)}`;
    case "allocating":
      return `stream ${nameOf(occupation)} is about to get an engine, perhaps this one`;
    case "unattributed":
      return `stream ${nameOf(occupation)} plays on an engine that is not told, perhaps this one`;
    case "monitor":
      return `${occupation.sessions} monitoring session${occupation.sessions === 1 ? "" : "s"}`;
    case "draining":
      return "draining";
    case "use":
      return printable(occupation.by);
    case "grace":
      return `idle, but not for long: ${formatSeconds(Math.max(0, occupation.until - now) / 1000)} to go`;
  }
}

/** Streams are named by hashes and by what others type. */
function nameOf({ stream, status }: { readonly stream: string; readonly status: string }): string {
  const cut = (text: string, most: number) => printable(text.length > most ? `${text.slice(0, most)}…` : text);
  return `${cut(stream, 16)} (${cut(status, 24)})`;
}
