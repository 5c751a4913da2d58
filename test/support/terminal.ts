import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** A terminal with one program in it, as a person sees it. */
export interface Terminal {
  /** What is on the screen now. */
  screen(): string;
  /** Types keys in tmux's names: `y`, `Enter`, `Space`, `Down`, `C-c`. */
  type(...keys: readonly string[]): void;
  /** Waits until the screen shows the pattern, and returns the screen. */
  until(pattern: RegExp): Promise<string>;
  /** Waits until the program ended and returns its exit code. */
  ended(): Promise<number>;
}

/** So long, on a busy machine, a screen may take to show what it will show. */
const PATIENCE_MS = 100_000;

/** Runs a program in a terminal of 160 by 50, through tmux. It is ended with the test file. */
export function openTerminal(words: readonly string[], env: NodeJS.ProcessEnv): Terminal {
  const { TMUX: _, ...outside } = env;
  const place = mkdtempSync(join(tmpdir(), "cache-ops-test-tmux-"));
  const options = { env: { ...outside, LC_ALL: "C.UTF-8" }, encoding: "utf8" } as const;
  const tmux = (...args: string[]) =>
    execFileSync("tmux", ["-f", "/dev/null", "-S", join(place, "socket"), ...args], options);
  const program = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  tmux("new-session", "-d", "-x", "160", "-y", "50", `${program}; echo "[ended $?]"; cat`);
  terminals.push(() => {
    tmux("kill-server");
    rmSync(place, { recursive: true, force: true });
  });
  const screen = () => tmux("capture-pane", "-p");
  const until = async (pattern: RegExp) => {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const shown = screen();
      if (pattern.test(shown)) return shown;
      assert.ok(performance.now() < deadline, `the screen never showed ${pattern}:\n${shown}`);
      await delay(30);
    }
  };
  return {
    screen,
    until,
    type: (...keys) => void tmux("send-keys", ...keys),
    ended: async () => Number(/\[ended (\d+)\]/.exec(await until(/\[ended \d+\]/))?.[1]),
  };
}

const terminals: (() => void)[] = [];

after(() => {
  for (const close of terminals.splice(0)) close();
});
