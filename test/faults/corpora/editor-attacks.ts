import assert from "node:assert/strict";
import { dirname, join } from "node:path";

import type { Node } from "../../../extension/caches/nodes.ts";
import { makeDesk } from "../../../extension/worker/desk.ts";
import { handlers } from "../../../extension/worker/handlers.ts";
import { printable } from "../../../shared/index.ts";
import { makeDirectory, makePlace } from "../../support/place.ts";
import { loadViews, type Shown, type Views } from "./editor.ts";
import { assertPrintable, type Group } from "./group.ts";
import { cacheOf, NAMED, placeName, type Named } from "./hostile-library.ts";

const PAGE = { offset: 0, limit: 1000 } as const;

/** The names of an attacker in what the extension makes for the editor. */
export async function openEditor(): Promise<Group> {
  const views = await loadViews();
  const place = makePlace("editor");
  const [library, managed, state] = ["library", "managed", "state"].map((name) => makeDirectory(place, name)) as [
    string,
    string,
    string,
  ];
  return {
    size: NAMED.length,
    together: 1,
    close: () => Promise.resolve(),
    async attack(index) {
      const named = NAMED[index];
      assert.ok(named);
      const directory = join(library, `${index}`);
      placeName(named, directory, managed);
      const desk = makeDesk();
      try {
        desk.configure({
          stateDirectory: state,
          configurationFile: "",
          configuration: {
            libraries: [{ name: "movies", roots: [directory] }],
            managed: [{ name: "held", root: managed }],
          },
        } as Parameters<typeof desk.configure>[0]);
        const { items, reports } = await look(named, directory, managed, desk, views);
        for (const item of items) assertItem(item);
        for (const report of reports) assertInert(report);
        const texts = items.flatMap((item) => textsOf(item));
        const shown = printable(named.text);
        // What a cache says of codecs is shown in figures and diagrams.
        const isShown = named.position === "value" || texts.some((text) => text.includes(shown));
        assert.ok(isShown, `${JSON.stringify(named)} is not in ${JSON.stringify(texts).slice(0, 2000)}`);
        return "shown";
      } finally {
        desk.close();
      }
    },
  };
}

/** What the trees, the review and the reports show of a library with one such name. */
async function look(named: Named, directory: string, managed: string, desk: ReturnType<typeof makeDesk>, views: Views) {
  const context = desk.context(new AbortController().signal, () => undefined);
  const invoke = (operation: string, input: Record<string, unknown>) =>
    handlers.invoke({ operation, input }, context, desk);
  const isMember = named.position === "member";
  const { text: path } = named;
  const nodes = isMember ? await members() : await caches();
  async function members(): Promise<Node[]> {
    await invoke("register", { path });
    const { rows } = await handlers.managed({ cache: "held", ...PAGE }, context, desk);
    return rows
      .filter((row) => row.path === path)
      .map((row) => ({ type: "managedDirectory", cache: "held", root: managed, row }));
  }
  async function caches(): Promise<Node[]> {
    const selection = { problems: [], search: "", sort: "stale" } as const;
    const { roots } = await handlers.survey({ refresh: true }, context, desk);
    const { rows } = await handlers.directories({ root: directory, selection, ...PAGE }, context, desk);
    const cache = cacheOf(named, directory);
    const { entries } = await handlers.inspect({ cache }, context, desk);
    return [
      ...roots.map((row) => ({ type: "root", row }) as const),
      ...rows.flatMap((row): Node[] => [
        { type: "directory", root: directory, row },
        { type: "cache", root: directory, row, cache },
        ...row.files.map(
          (problem) => ({ type: "file", root: directory, directory: dirname(problem.path), problem }) as const,
        ),
      ]),
      ...entries.map((entry) => ({ type: "entry", root: directory, cache, entry }) as const),
    ];
  }
  const planned = await (isMember
    ? invoke("evict", { cache: ["held"], paths: [path] })
    : invoke("cleanup", { changed: true }));
  const plan = String(planned.output["plan"]);
  const overview = await handlers.plan({ plan, ...PAGE }, context, desk);
  const ids = overview.groups.rows.flatMap((group) => group.ids);
  const review = views.reviewOf(overview, await handlers.changes({ plan, ids }, context, desk));
  const results = [
    planned,
    await (isMember ? invoke("info", { path }) : invoke("check", {})),
    await invoke("stats", {}),
  ];
  const reports: string[] = [];
  for (const { view } of results) reports.push(await views.reportOf(view));
  return { items: [...nodes.map((node) => views.itemOf(node)), ...review], reports };
}

function textsOf({ label, description, tooltip, accessibilityInformation, checkboxState }: Shown): string[] {
  const { tooltip: ofBox, accessibilityInformation: toldOfBox } = checkboxState ?? {};
  const texts = [label, description, tooltip, accessibilityInformation?.label, ofBox, toldOfBox?.label];
  return texts.filter((text) => text !== undefined) as string[];
}

/** That an item shows nothing raw. Its tooltip has lines, and none of its texts is markup. */
function assertItem(item: Shown): void {
  const { tooltip, ...rest } = item;
  for (const text of textsOf(rest)) assert.ok(!text.includes("\n"), `shown on several lines: ${JSON.stringify(text)}`);
  for (const text of textsOf(item)) assertPrintable(text);
  assert.ok(tooltip === undefined || typeof tooltip === "string", "a tooltip that is markup");
}

/** That a report has no markup but its own: headings, lists, a table, emphasis around whole values. */
function assertInert(report: string): void {
  assertPrintable(report);
  for (const line of report.split("\n")) {
    const own = line
      .replace(/^(# |- |\| )/, "")
      .replace(/ \|$/, "")
      .replaceAll(" | ", " ")
      .replaceAll("**", "");
    const bare = own.replaceAll(/\\[!-/:-@[-`{-~]/g, "");
    assert.ok(/^(-+ ?)*$/.test(bare) || !/[`*_[\]<>~|!#$&@\\]/.test(bare), `markup: ${line}`);
    assert.ok(!/^\s*(\d+[.)]|[-+>=]|\s{4})/.test(own) || /^(-+ ?)*$/.test(bare), line);
  }
}
