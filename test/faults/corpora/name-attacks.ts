import assert from "node:assert/strict";
import { join } from "node:path";

import { toHtml } from "../../../shared/export.ts";
import { printable } from "../../../shared/index.ts";
import { makeDirectory, makePlace } from "../../support/place.ts";
import { startFace, type Face, type Said } from "./faces.ts";
import { assertPrintable, type Group } from "./group.ts";
import { NAMED, placeName, type Named, type Position } from "./hostile-library.ts";
import { readCsv } from "./names.ts";

/** On the command line so many names are shown by one process. */
const TOGETHER = 24;

/** What has to show a name that stands there. */
const SHOWN: Readonly<Record<Position, string>> = {
  media: "check",
  directory: "check",
  recorded: "check",
  key: "check",
  value: "stats",
  member: "directories",
};
/** What else is asked about a library with such names: what it shows has to be printable. */
const ALSO = ["list", "cleanup", "repair", "stats", "check"];
const FORMATS = ["table", "csv", "html", "json"] as const;
type Format = (typeof FORMATS)[number];

/** Libraries and managed caches with the names of an attacker in them, shown by a face. */
export async function openNames(name: Face["name"]): Promise<Group> {
  const place = makePlace("names");
  const library = makeDirectory(place, "library");
  const managed = makeDirectory(place, "managed");
  const libraries = [{ name: "movies", roots: [library] }];
  const face = await startFace(name, { libraries, managed: [{ name: "held", root: managed }] }, place);
  const answers = name === "command line" ? showTogether(face, library, managed) : showAlone(face, library, managed);
  return {
    size: NAMED.length,
    together: name === "command line" ? TOGETHER : 1,
    close: () => face.close(),
    async attack(index) {
      const named = NAMED[index];
      assert.ok(named);
      const { shown, also, format } = await answers(named, index);
      for (const said of [shown, also]) {
        assert.equal(said.refused, undefined, said.printed.slice(0, 500));
        assertPrintable(said.printed);
        if (format === "csv") assertNoFormula(said.printed);
        if (format === "html") assertInert(said.printed);
      }
      // A table names no entry that is none.
      if (named.position === "key" && format !== "json") return `left out of ${format}`;
      assert.ok(isShown(named.text, shown, format), `${JSON.stringify(named)}: ${shown.printed.slice(0, 500)}`);
      return `shown as ${format}`;
    },
  };
}

interface Shown {
  readonly shown: Said;
  readonly also: Said;
  readonly format: Format;
}

type Answers = (named: Named, index: number) => Promise<Shown>;

/** Each name in a library of its own. */
function showAlone(face: Face, library: string, managed: string): Answers {
  return async (named, index) => {
    const directory = join(library, `${index}`);
    placeName(named, directory, managed);
    const { text: path, position } = named;
    const first = position === "member" ? await face.ask("register", { path }) : undefined;
    const shown = await (position === "member"
      ? face.ask("info", { path })
      : face.ask(SHOWN[position], { paths: [directory] }));
    const also = first ?? (index % 3 === 0 ? await face.ask(alsoOf(index), { paths: [directory] }) : shown);
    return { shown, also, format: "json" };
  };
}

/** Names that are shown by the same process, in a format that differs from one such to the next. */
function showTogether(face: Face, library: string, managed: string): Answers {
  const batches = new Map<number, Promise<Readonly<Record<string, Said>>>>();
  const ask = async (batch: number) => {
    const directory = join(library, `${batch}`);
    for (const [at, named] of NAMED.slice(batch * TOGETHER, (batch + 1) * TOGETHER).entries()) {
      placeName(named, join(directory, `${at}`), managed);
    }
    const format = formatOf(batch);
    const paths = [directory];
    const said: Record<string, Said> = {};
    for (const operation of ["check", "stats", alsoOf(batch)]) {
      said[operation] ??= await face.ask(operation, { paths }, { format });
    }
    await face.ask("reconcile", {});
    said["directories"] = await face.ask("directories", { limit: 1000 }, { format });
    return said;
  };
  return async ({ position }, index) => {
    const batch = Math.floor(index / TOGETHER);
    const asked = batches.get(batch) ?? ask(batch);
    batches.set(batch, asked);
    const said = await asked;
    const [shown, also] = [said[SHOWN[position]], said[alsoOf(batch)]];
    assert.ok(shown && also);
    return { shown, also, format: formatOf(batch) };
  };
}

function alsoOf(index: number): string {
  return ALSO[index % ALSO.length] ?? "list";
}

function formatOf(batch: number): Format {
  return FORMATS[batch % FORMATS.length] ?? "json";
}

/** Whether a name came back: as it is in data, printable in anything else. */
function isShown(text: string, { printed, data }: Said, format: Format): boolean {
  const shown = printable(text);
  switch (format) {
    case "csv":
      return readCsv(printed)
        .flat()
        .some((cell) => cell.includes(shown));
    case "html":
      return unescaped(printed).includes(shown);
    case "json":
      return stringsOf(data).some((each) => [text, text.toWellFormed(), shown].some((form) => each.includes(form)));
    default:
      return printed.includes(shown);
  }
}

function unescaped(html: string): string {
  return html.replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));
}

function stringsOf(data: unknown): string[] {
  if (typeof data === "string") return [data];
  if (typeof data !== "object" || data === null) return [];
  return Object.entries(data).flatMap(([key, value]) => [key, ...stringsOf(value)]);
}

function assertNoFormula(csv: string): void {
  for (const cell of readCsv(csv).flat()) {
    assert.ok(!/^[=+\-@\t\r＝＋－＠]/.test(cell) || /^-?[\d.]+$/.test(cell), `a formula: ${cell}`);
  }
}

/** That a page has no markup but that of a page in which nobody's names stand. */
function assertInert(html: string): void {
  const table = { columns: ["x"], rows: [["x", 1]] };
  const own = new Set(tagsOf(toHtml({ title: "x", facts: [["x", "x"]], table, notes: ["x"] }, "now")));
  assert.deepEqual(
    tagsOf(html).filter((tag) => !own.has(tag)),
    [],
  );
}

function tagsOf(html: string): readonly string[] {
  return html.match(/<[^>]*>/g) ?? [];
}
