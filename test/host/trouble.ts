import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { openState } from "../../shared/index.ts";
import { latestRuns, type Run } from "../../shared/journal.ts";
import { CACHE, makeMovies } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import type { Workbench } from "./workbench.ts";

/** A library of so many directories, each with a cache of two entries; the media of the second is gone. */
export function makeLargeLibrary(directories: number): string {
  const root = makePlace("large");
  for (let index = 0; index < directories; index += 1) {
    const directory = join(root, `d${String(index).padStart(4, "0")}`);
    makeMovies(directory, ["here.mkv", "gone.mkv"]);
    rmSync(join(directory, "gone.mkv"));
  }
  return root;
}

/** How many entries each cache below a library holds. Throws when one cannot be parsed. */
export function entryCounts(root: string): number[] {
  return readdirSync(root).flatMap((name) => {
    const text = readFileSync(join(root, name, CACHE), "utf8");
    return Object.keys(JSON.parse(text) as object).length;
  });
}

/** The runs in a state store, newest first, read beside whoever has it open. */
export function runsIn(stateDirectory: string): Run[] {
  const state = openState(stateDirectory);
  try {
    return latestRuns(state, 100);
  } finally {
    state.close();
  }
}

/** Ids of the processes that were started by this server with a word on their command line. */
function processesOf({ server }: Workbench, word: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const line = textOf(`/proc/${pid}/cmdline`);
      return line.includes(word) && textOf(`/proc/${pid}/environ`).includes(server.home);
    })
    .map(Number);
}

/** Workers of the extension in this server. */
export function workersOf(workbench: Workbench): number[] {
  return processesOf(workbench, "dist/worker.js");
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // It ended meanwhile.
    return "";
  }
}

/** Waits until something is so. Fails with what it was last. */
export async function until<T>(what: string, look: () => T, isSo: (seen: T) => boolean, ms = 15_000): Promise<T> {
  const deadline = performance.now() + ms;
  for (;;) {
    const seen = look();
    if (isSo(seen)) return seen;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${ms} ms; last ${JSON.stringify(seen)}`);
    await delay(20);
  }
}

/** Plans a cleanup of everything and waits for its review. */
export async function planAll(
  workbench: Workbench,
  message: RegExp | string = "Nothing was changed yet",
): Promise<void> {
  await workbench.runCommand("Cache Ops: Clean Up…");
  await workbench.quickInput.pick(/All libraries/);
  await workbench.step("see the review", () =>
    workbench.view("Review").locator(".message", { hasText: message }).waitFor({ timeout: 30_000 }),
  );
}

/** Texts of the toasts that are there now, once those that told of progress are gone. */
export async function toasts({ page }: Workbench): Promise<string[]> {
  await page.locator(".notifications-toasts .monaco-progress-container.active").first().waitFor({ state: "hidden" });
  await page.waitForTimeout(300);
  return page.locator(".notifications-toasts .notification-list-item-message").allInnerTexts();
}
