import assert from "node:assert/strict";
import { lstatSync, readdirSync, realpathSync } from "node:fs";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";

import { isInside } from "../../../shared/index.ts";
import { startFace, type Face, type Manner } from "./faces.ts";
import { assertPrintable, stateBeside, type Group } from "./group.ts";
import { makePathScene, MARKER, pathAttacks } from "./paths.ts";

/** What a path is given for. */
type Place = "root" | "file" | "target" | "member" | "pack" | "cache" | "id" | "archive" | "written";

/** Where an operation takes a path, or the name of something that is found by a path. */
interface Slot {
  readonly place: Place;
  readonly operation: string;
  readonly input: (text: string, scene: Scene) => Record<string, unknown>;
  readonly manner?: Manner;
}

interface Scene {
  /** A library and a managed cache, each among neighbours that tell a secret. */
  readonly library: string;
  readonly managed: string;
}

const SENTENCE = "remove 1 entry in 1 cache";
const roots = (operation: string): Slot => ({ place: "root", operation, input: (text) => ({ paths: [text] }) });
const member = (operation: string): Slot => ({ place: "member", operation, input: (path) => ({ path }) });

const SLOTS: readonly Slot[] = [
  ...["list", "stats", "check", "cleanup", "repair"].map(roots),
  { place: "file", operation: "cleanup", input: (text) => ({ paths: [text] }), manner: { apply: true } },
  { place: "file", operation: "record", input: (media) => ({ media }) },
  { place: "file", operation: "record", input: (text) => ({ media: `${text}/film.mkv`, failed: "no" }) },
  {
    place: "file",
    operation: "record",
    input: (converted, { library }) => ({ media: join(library, "films/Here.mkv"), converted }),
  },
  ...["info", "register", "touch", "pin", "forget"].map(member),
  { place: "member", operation: "evict", input: (text) => ({ paths: [text], cache: ["held"] }) },
  { place: "pack", operation: "warm", input: (text) => ({ paths: [text], cache: "held" }) },
  { place: "cache", operation: "directories", input: (cache) => ({ cache }) },
  { place: "id", operation: "apply", input: (plan) => ({ plan, acknowledge: SENTENCE }) },
  { place: "id", operation: "undo", input: (run) => ({ run, acknowledge: SENTENCE }) },
  { place: "id", operation: "history", input: (run) => ({ run }) },
  { place: "id", operation: "cleanup", input: (from) => ({ from, only: [1] }) },
  { place: "archive", operation: "restore", input: (archive) => ({ archive }) },
  { place: "written", operation: "backup", input: (archive) => ({ archive, paths: ["movies"] }) },
  { place: "target", operation: "restore", input: (to) => ({ archive: "good.tar.gz", to }) },
];

/** Paths that lead elsewhere, given to a face wherever it takes one. */
export async function openPaths(name: Face["name"]): Promise<Group> {
  const [first, second] = [makePathScene(), makePathScene()];
  const scene = { library: first.library, managed: second.library };
  const libraries = [{ name: "movies", roots: [scene.library] }];
  const managed = [{ name: "held", root: scene.managed, autoRegister: false }];
  const face = await startFace(name, { libraries, managed }, scene.library);
  const backup = await face.ask("backup", { archive: "good.tar.gz", paths: ["movies"] });
  assert.equal(backup.refused, undefined, backup.printed);
  const look = () => [stateBeside(first.place, basename(scene.library)), stateBeside(second.place, "")];
  const before = look();
  const isBound = name !== "command line";
  const [texts, members] = [scene.library, scene.managed].map((root) =>
    pathAttacks(root).filter((text) => isBound || canBeWord(text, root)),
  ) as [string[], string[]];
  return {
    size: Math.min(texts.length, members.length),
    together: 1,
    close: () => face.close(),
    async attack(index, dice) {
      const fits = ({ place }: Slot) => isBound || mayBeAsked(place, texts[index] ?? "", scene);
      const slot = dice.pick(SLOTS.filter(fits));
      const { operation, place, manner } = slot;
      const text = (["member", "pack"].includes(place) ? members : texts)[index] ?? "";
      const label = `${operation} ${JSON.stringify(slot.input(text, scene)).slice(0, 300)}`;
      const said = await face.ask(operation, slot.input(text, scene), manner);
      const leads = isBound ? leadsInside(place, text, scene) : isNamed(place, text, scene);
      assert.ok(said.refused !== undefined || leads, `${label} was taken: ${said.printed.slice(0, 300)}`);
      assert.notEqual(said.refused, "internal", label);
      const mayTell = !isBound && place === "root" && leadsToSecret(text, scene.library);
      assert.ok(mayTell || !JSON.stringify(said).includes(MARKER), `${label} told: ${said.printed.slice(0, 300)}`);
      assertPrintable(said.printed);
      assert.deepEqual(look(), before, label);
      return said.refused === undefined ? "taken for what it is" : "refused";
    },
  };
}

/** Whether a text can be given to a process, and leads to no larger tree than that of the test. */
function canBeWord(text: string, library: string): boolean {
  if (text.includes("\0") || !text.isWellFormed()) return false;
  const end = landing(text, library);
  return end === undefined || isInside(dirname(library), end) || !isDirectory(end);
}

/** On the command line a person may name any place: what changes one there is given only what is called one inside. */
function mayBeAsked(place: Place, text: string, { library }: Scene): boolean {
  if (place === "file") return isInside(library, resolve(library, text));
  return place !== "written" || !/[/\\]/.test(text);
}

/** Whether a face that is confined may take a text: because it leads inside, or to one of the directories held. */
function leadsInside(place: Place, text: string, scene: Scene): boolean {
  const end = landing(text);
  const isWithin = end !== undefined && [scene.library, scene.managed].some((root) => isInside(root, end));
  switch (place) {
    case "root":
    case "file":
    case "target":
      return text === "movies" || isWithin;
    default:
      return isNamed(place, text, scene);
  }
}

/** Whether a text names, as it is written, something of the kind that is asked for. */
function isNamed(place: Place, text: string, { managed, library }: Scene): boolean {
  const end = landing(text, library);
  switch (place) {
    case "root":
      return text === "movies" || (end !== undefined && isDirectory(end));
    case "file":
      return end !== undefined && (isInside(library, end) || isDirectory(end));
    case "target":
      return end !== undefined;
    case "member": {
      const full = resolve(managed, text);
      return !text.includes("\0") && dirname(full) === managed && isDirectory(full);
    }
    case "pack":
      // Nothing is packed: whatever could be a name below the root is answered with an empty plan.
      return !text.includes("\0") && dirname(resolve(managed, text)) === managed;
    case "archive":
    case "written":
      return /^[^./\\\0][^/\\\0]*$/.test(text);
    case "cache":
    case "id":
      return false;
  }
}

/** Where a path leads: what of it there is, by its links, and the rest; `undefined`: nowhere. */
function landing(text: string, base?: string): string | undefined {
  if ((base === undefined && !isAbsolute(text)) || text.includes("\0")) return undefined;
  const whole = resolve(base ?? "/", text);
  for (let way = whole; ; way = dirname(way)) {
    const real = unlessAbsent(() => realpathSync(way));
    if (real !== undefined) return join(real, whole.slice(way.length));
  }
}

function isDirectory(path: string): boolean {
  return unlessAbsent(() => lstatSync(path))?.isDirectory() === true;
}

/** What a look at a path finds; `undefined` where there is nothing, or nobody can look. */
function unlessAbsent<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EACCES"].includes(code ?? "")) throw error;
    return undefined;
  }
}

/** Whether a neighbour of the library, all of which tell the secret, is what was named, or lies in it. */
function leadsToSecret(text: string, library: string): boolean {
  const end = landing(text, library);
  if (end === undefined) return false;
  const neighbours = readdirSync(dirname(library)).map((name) => join(dirname(library), name));
  return neighbours.some((other) => other !== library && (isInside(other, end) || isInside(end, other)));
}
