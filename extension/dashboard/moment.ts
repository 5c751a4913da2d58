import { element } from "./element.ts";
import { agoText, momentText } from "./format.ts";

/** A moment as the time since then; in full where the pointer rests. */
export function moment(time: number): HTMLTimeElement {
  return element(
    "time",
    { datetime: new Date(time).toISOString(), title: momentText(time), "data-time": time },
    agoText(time, Date.now()),
  );
}

/** Brings every moment on the page up to date. */
export function updateMoments(): void {
  for (const shown of document.querySelectorAll<HTMLElement>("time[data-time]")) {
    shown.textContent = agoText(Number(shown.dataset["time"]), Date.now());
  }
}
