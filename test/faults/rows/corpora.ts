import { openArchives } from "../corpora/archive-attacks.ts";
import { openEditor } from "../corpora/editor-attacks.ts";
import { FACES, type Face } from "../corpora/faces.ts";
import type { Group } from "../corpora/group.ts";
import { openNames } from "../corpora/name-attacks.ts";
import { openPaths } from "../corpora/path-attacks.ts";
import { eachCase, LANES, type Row, type Task } from "../row.ts";

/** A corpus on a face, before it is begun. */
interface Part {
  readonly name: string;
  readonly open: () => Promise<Group>;
}

const each = (corpus: string, open: (face: Face["name"]) => Promise<Group>): Part[] =>
  FACES.map((face) => ({ name: `${corpus}, ${face}`, open: () => open(face) }));

const PARTS: readonly Part[] = [
  ...each("paths", openPaths),
  ...each("names", openNames),
  { name: "names, editor", open: openEditor },
  ...each("archives", openArchives),
];

/** How many attacks of each corpus are tried on each face: which ones is up to the seed. */
const ATTACKS = 500;

export const corpora: Row = {
  name: "corpora",
  what: "500 attacks of each corpus on each face - the built command line (a process for each path and archive, one for 24 names), `cache-ops mcp` over standard input and output, `cache-ops serve` over HTTP: paths that lead elsewhere wherever a face takes a path, a name or an id; names of others in libraries and managed caches, shown as table, CSV, HTML and JSON, and, for names, in the trees, reviews and reports of the editor's extension; backups and packs with members that lead elsewhere, are links or devices, are missing, twice or too many, with manifests that are wrong, cut, altered, or bombs",
  required:
    "what serves takes no path but one that leads inside, and tells nothing from outside; the command line reads what was named as it is written, and changes nothing outside of its library; no archive is taken, and nothing of it written; everything outside stays byte for byte; nothing is printed raw, no cell is a formula, no name is markup, and as data a name comes back as it is",
  count: ATTACKS * PARTS.length,
  quick: 40,
  async run(task) {
    const parts = PARTS.map((part, index) => started(part, orderOf(task, index)));
    try {
      await eachCase(
        task,
        async (number) => {
          const part = parts[number % parts.length];
          if (part === undefined) throw new Error("no part");
          task.count(`${part.name}: ${await part.attack(Math.floor(number / parts.length), task.diceOf(number))}`);
        },
        LANES + 1,
      );
    } finally {
      for (const part of parts) await part.close();
    }
  },
};

/** A part that begins with its first attack, and makes one after the other. */
function started({ name, open }: Part, orderOf: (group: Group) => readonly number[]) {
  let group: Promise<Group & { readonly order: readonly number[] }> | undefined;
  const begin = async () => {
    const opened = await open();
    if (opened.size < ATTACKS) throw new Error(`${name}: ${opened.size} attacks`);
    return { ...opened, order: orderOf(opened) };
  };
  let last: Promise<unknown> = Promise.resolve();
  return {
    name,
    attack(round: number, dice: ReturnType<Task["diceOf"]>): Promise<string> {
      const turn = last.then(async () => {
        const opened = await (group ??= begin());
        return opened.attack(opened.order[round % opened.order.length] ?? 0, dice);
      });
      last = turn.catch(() => undefined);
      return turn;
    },
    close: async () => (await group)?.close(),
  };
}

/** The order in which a seed takes the attacks of a part; those that are made together stay so. */
function orderOf(task: Task, part: number): (group: Group) => readonly number[] {
  return ({ size, together }) => {
    const dice = task.diceOf(-1 - part);
    const starts = Array.from({ length: Math.ceil(size / together) }, (_, index) => index * together);
    const drawn = starts.map((start) => ({ start, at: dice.below(2 ** 31) })).toSorted((a, b) => a.at - b.at);
    return drawn.flatMap(({ start }) =>
      Array.from({ length: Math.min(together, size - start) }, (_, index) => start + index),
    );
  };
}
