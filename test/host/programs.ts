import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { env } from "node:process";

/** The first of these programs that the search path has, as an absolute path. */
export function findProgram(...names: readonly string[]): string | undefined {
  for (const name of names) {
    for (const directory of (env["PATH"] ?? "").split(delimiter)) {
      const path = join(directory, name);
      if (isExecutable(path)) return path;
    }
  }
  return undefined;
}

/** Chromium, or a browser that is one by another name. The variable CHROMIUM names another. */
export function findChromium(): string | undefined {
  const given = env["CHROMIUM"];
  if (given !== undefined && given !== "") return given;
  return findProgram("chromium", "chromium-browser", "google-chrome", "google-chrome-stable");
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
