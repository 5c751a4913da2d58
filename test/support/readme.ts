import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where the commands of the README are run. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const README = readFileSync(join(ROOT, "README.md"), "utf8");

/** The blocks of one language in the README, in the order of the text. */
export function blocks(language: string): string[] {
  return [...README.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, "gm"))].map(([, text = ""]) => text);
}

/** The commands of the README. Those about engines and servers need these to run. */
export function commandsOf(about: "files" | "remotes"): string[] {
  const commands = blocks("sh").flatMap((block) => block.split("\n").filter((line) => line !== ""));
  return commands.filter((line) => / cache-ops (engines|empty|jellyfin|clear)\b/.test(line) === (about === "remotes"));
}
