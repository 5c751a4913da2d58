import { randomBytes } from "node:crypto";

import { printable } from "../../printable.ts";
import type { ContainerEngine } from "./container-api.ts";
import type { Ran } from "./container-exec.ts";
import { addUp, typeOf, type ListedEntry } from "./container-listing.ts";
import type { Look, MeasureOptions } from "./container-measure.ts";

/** How often a directory is looked at in which names come and go. */
const ATTEMPTS = 3;
const ABSENT = /: (?:No such file or directory|Not a directory)$/m;

/** Whether the program was not there, or not allowed to run. */
export function couldNotRun({ exitCode }: Ran): boolean {
  return exitCode === 126 || exitCode === 127;
}

/** The first thing a program complained about, as it may be shown. */
export function complaintOf({ exitCode, stdout, stderr }: Ran): string {
  const [first] = `${stderr}\n${couldNotRun({ exitCode, stdout, stderr }) ? stdout : ""}`.trim().split("\n");
  return printable(first === undefined || first === "" ? `exit code ${exitCode}` : first).slice(0, 200);
}

/**
 * Looks at a directory with `find` and `stat` of the image, GNU's or BusyBox's. Lines begin with a word that nobody
 * can have guessed, so a name with line breaks is a name and nothing else.
 */
export async function listByPrograms(
  engine: ContainerEngine,
  id: string,
  path: string,
  { user, limitSeconds }: MeasureOptions,
): Promise<Look> {
  for (let attempt = 1; ; attempt += 1) {
    const mark = randomBytes(12).toString("hex");
    const format = `${mark} %f %h %d:%i %s %Y %n`;
    const argv = ["find", path, "-xdev", "-exec", "stat", "-c", format, "{}", "+"];
    const ran = await engine.run(id, argv, { user, limitSeconds });
    if (couldNotRun(ran)) return { state: "unable", reason: `no find in the container (${complaintOf(ran)})` };
    const seen = read(ran.stdout, mark, path);
    if (seen === undefined) return whyNothing(engine, id, path, { user, limitSeconds });
    const own = seen.find(({ name }) => name === "");
    if (own?.type === "link") return { state: "unknown", reason: "it is a symbolic link; give where it leads" };
    if (own !== undefined && own.type !== "directory") return { state: "unknown", reason: "it is no directory" };
    if (ran.exitCode === 0 && own !== undefined) return { state: "listed", listing: addUp(seen) };
    const isVanished = ABSENT.test(ran.stderr);
    if (!isVanished || attempt === ATTEMPTS) return { state: "unable", reason: complaintOf(ran) };
  }
}

/** No line at all: the directory is not there, or `stat` is not, or may not be read. */
async function whyNothing(
  engine: ContainerEngine,
  id: string,
  path: string,
  options: Pick<MeasureOptions, "user" | "limitSeconds">,
): Promise<Look> {
  const ran = await engine.run(id, ["find", path, "-maxdepth", "0"], options);
  if (ran.exitCode !== 0 && ABSENT.test(ran.stderr)) return { state: "absent" };
  if (ran.exitCode !== 0) return { state: "unable", reason: complaintOf(ran) };
  return { state: "unable", reason: "no stat in the container" };
}

function read(text: string, mark: string, path: string): ListedEntry[] | undefined {
  const [before, ...lines] = text.split(`${mark} `);
  if (before !== "" || lines.length === 0) return undefined;
  const prefix = Buffer.from(path).toString("latin1");
  return lines.map((line) => {
    const [mode = "", links = "", identity, size = "", mtime = ""] = line.split(" ", 5);
    const name = line.slice([mode, links, identity, size, mtime].join(" ").length + 1, -1);
    const type = typeOf(Number.parseInt(mode, 16));
    return {
      type,
      size: type === "file" ? Number(size) : 0,
      mtimeSeconds: Number(mtime),
      name: name === prefix ? "" : name.slice(prefix.length + 1),
      identity: type === "file" && links !== "1" ? identity : undefined,
    };
  });
}
