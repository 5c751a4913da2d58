import { dirname } from "node:path";

import * as vscode from "vscode";

import { ago } from "../age.ts";
import type { Editor } from "../editor.ts";
import { errorText } from "../engine.ts";
import { isStale } from "../problems.ts";
import type { Selection } from "../protocol.ts";
import { editorSettings } from "../settings.ts";
import { itemOf } from "./items.ts";
import { makeManagedSections } from "./managed-sections.ts";
import { idOf, type Node } from "./nodes.ts";
import { makeProbeSections } from "./probe-sections.ts";
import { makeRemoteSections } from "./remote-sections.ts";
import { makeWatch } from "./watch.ts";

/** Rows shown at once below a node; more come on request. */
const PAGE = 500;
/** How often a server at work, or an engine that is soon idle, is looked at, in milliseconds. */
const PACE_MS = 5000;

/** The tree of caches and what can be done to it as a whole. */
export interface CachesTree {
  readonly selection: Selection;
  select(selection: Partial<Selection>): void;
  showMore(node: Node): void;
  /** Looks at the libraries again and shows what is there. */
  refresh(): Promise<void>;
  /** Shows the caches of probe results, the managed ones, engines and servers as they are now. */
  showAgain(): void;
  reveal(cache: string): Promise<void>;
}

/**
 * Shows the libraries with their caches and entries, the caches of probe results, the managed ones, engines and servers.
 * Nothing is looked at before the view is first seen.
 */
export function makeCachesTree({ extension, engine, libraries, runs, log }: Editor): CachesTree {
  const changed = new vscode.EventEmitter<Node | undefined>();
  const shown = new Map<string, number>();
  const watch = makeWatch((directories) => libraries.lookAgain(directories));
  const probes = makeProbeSections(engine, (node) => changed.fire(node));
  const managed = makeManagedSections(engine, (node) => changed.fire(node));
  const onSight = (node: Node) => changed.fire(node);
  const remotes = makeRemoteSections({ engine, onSight, errorText, now: () => Date.now() });
  let seenRuns: string | undefined;
  let selection: Selection = { problems: [], search: "", sort: editorSettings().sort };

  const provider: vscode.TreeDataProvider<Node> = {
    onDidChangeTreeData: changed.event,
    getTreeItem: (node) => itemOf(node, Date.now(), { probes, managed, remotes }),
    async getChildren(node) {
      try {
        return await childrenOf(node);
      } catch (error) {
        log.error(errorText(error));
        return [{ type: "message", text: errorText(error).split("\n")[0] ?? "", isError: true }];
      }
    },
    getParent: (node) => parentOf(node),
  };
  const view = vscode.window.createTreeView("cacheOps.caches", { treeDataProvider: provider, showCollapseAll: true });

  const childrenOf = async (node: Node | undefined): Promise<Node[]> => {
    switch (node?.type) {
      case undefined: {
        const options = { location: { viewId: "cacheOps.caches" } };
        const { roots } = await vscode.window.withProgress(options, () => libraries.look(false));
        const libraryNodes = roots.map((row) => ({ type: "root", row }) as const);
        return [
          ...libraryNodes,
          ...(await managed.sections()),
          ...(await remotes.sections()),
          ...(await probes.sections()),
        ];
      }
      case "root":
        return directoriesOf(node);
      case "directory": {
        const { row, root } = node;
        watch.add(row.directory);
        const files = row.files.filter(({ path }) => path !== row.cache);
        return [
          ...(row.cache === null ? [] : [{ type: "cache", root, row, cache: row.cache } as const]),
          ...files.map((problem) => ({ type: "file", root, directory: row.directory, problem }) as const),
        ];
      }
      case "cache":
        return entriesOf(node);
      case "mediaAudit": {
        const { rows, total } = await probes.entriesOf(node, { selection, limit: shown.get(idOf(node)) ?? PAGE });
        if (total > 0) return withMore(node, rows, total);
        return [{ type: "message", text: emptyText(probes.figuresOf(node)?.entries ?? 0), isError: false }];
      }
      case "probeCache":
        return probes.factsOf(node);
      case "managed":
        return managedDirectoriesOf(node);
      case "quarantine":
        return managed.quarantineOf(node);
      case "engine":
      case "jellyfin":
        return remotes.rowsOf(node);
      default:
        return [];
    }
  };

  const directoriesOf = async (node: Extract<Node, { type: "root" }>): Promise<Node[]> => {
    const limit = shown.get(idOf(node)) ?? PAGE;
    const { root } = node.row;
    const { total, rows } = await engine.request("directories", { root, selection, offset: 0, limit });
    if (total === 0) return [{ type: "message", text: emptyText(node.row.caches), isError: false }];
    return withMore(
      node,
      rows.map((row) => ({ type: "directory", root, row })),
      total,
    );
  };

  const managedDirectoriesOf = async (node: Extract<Node, { type: "managed" }>): Promise<Node[]> => {
    const { rows, total, warnings } = await managed.directoriesOf(node, shown.get(idOf(node)) ?? PAGE);
    const count = managed.sightOf(node)?.figures.quarantined ?? 0;
    const quarantine: Node[] = count === 0 ? [] : [{ type: "quarantine", cache: node.name, count }];
    const none: Node = { type: "message", text: "No directory is registered. Reconcile finds them.", isError: false };
    const told: Node[] = warnings.map((text) => ({ type: "message", text, isError: true }));
    return [...told, ...quarantine, ...(total === 0 ? [none] : withMore(node, rows, total))];
  };

  const emptyText = (caches: number) => (caches === 0 ? "No cache is in here." : "Nothing matches the filter.");

  const entriesOf = async (node: Extract<Node, { type: "cache" }>): Promise<Node[]> => {
    const { root, cache } = node;
    const { entries, damage } = await engine.request("inspect", { cache });
    if (damage !== null) {
      const text = `Damaged at byte ${damage.offset} (${damage.rule}). Repair shows what can be saved.`;
      return [{ type: "message", text, isError: true }];
    }
    const wanted = selection.search.toLowerCase();
    const isWanted = (name: string) =>
      wanted === "" || node.row.label.toLowerCase().includes(wanted) || name.includes(wanted);
    const chosen = entries
      .filter(
        ({ problem }) => selection.problems.length === 0 || (problem !== null && selection.problems.includes(problem)),
      )
      .filter(({ name, key }) => isWanted((name ?? key).toLowerCase()))
      .toSorted(
        (a, b) =>
          Number(isStale(b.problem)) - Number(isStale(a.problem)) ||
          Number(b.problem !== null) - Number(a.problem !== null),
      );
    const rows = chosen.slice(0, shown.get(idOf(node)) ?? PAGE);
    return withMore(
      node,
      rows.map((entry) => ({ type: "entry", root, cache, entry })),
      chosen.length,
    );
  };

  const withMore = (parent: Node, rows: Node[], total: number): Node[] =>
    rows.length < total ? [...rows, { type: "more", parent, shown: rows.length, total }] : rows;

  const parentOf = (node: Node): Node | undefined => {
    const rootNode = (root: string): Node | undefined => {
      const row = libraries.summary?.roots.find((candidate) => candidate.root === root);
      return row && { type: "root", row };
    };
    if (node.type === "directory") return rootNode(node.root);
    if (node.type === "cache") return { type: "directory", root: node.root, row: node.row };
    return node.type === "more" ? node.parent : undefined;
  };

  const describe = () => {
    const { summary } = libraries;
    const stale = summary?.roots.reduce((sum, root) => sum + root.stale, 0) ?? 0;
    view.badge = stale === 0 ? undefined : { value: stale, tooltip: `${stale.toLocaleString()} stale` };
    view.description = summary === undefined ? "" : `checked ${ago(summary.at, Date.now())}`;
    const { problems, search } = selection;
    const filters = [...problems, ...(search === "" ? [] : [`“${search}”`])];
    view.message = filters.length === 0 ? "" : `Only: ${filters.join(", ")}`;
    void vscode.commands.executeCommand("setContext", "cacheOps.isFiltered", filters.length > 0);
    void vscode.commands.executeCommand("setContext", "cacheOps.libraries", summary?.roots.length);
  };

  const clock = setInterval(() => {
    if (view.visible) describe();
  }, 60_000);
  const pace = setInterval(() => {
    if (view.visible) for (const node of remotes.moving()) changed.fire(node);
  }, PACE_MS);
  extension.subscriptions.push(
    view,
    changed,
    watch,
    { dispose: () => clearInterval(clock) },
    { dispose: () => clearInterval(pace) },
    // Another key of a server; the editor does not say whose.
    extension.secrets.onDidChange(() => {
      remotes.doubt();
      if (remotes.isKnown) changed.fire(undefined);
    }),
    view.onDidCollapseElement(({ element }) => {
      if (element.type === "directory") watch.remove(element.row.directory);
    }),
    libraries.onDidLook((directories) => {
      describe();
      probes.doubt(directories);
      // The rows hold their figures, so whatever was looked at again is fetched again: only what is expanded is.
      if (directories === undefined || directories.length > 0) changed.fire(undefined);
    }),
    // A run or its undo, by whomever. The history is also read when only something else in the store changed.
    runs.onDidChange(() => {
      const [before, now] = [seenRuns, runs.lines?.map(({ run, status }) => `${run} ${status}`).join()];
      seenRuns = now;
      if (now === before) return;
      remotes.doubt();
      if (managed.isKnown || remotes.isKnown) changed.fire(undefined);
    }),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("cacheOps.tree.sort")) {
        selection = { ...selection, sort: editorSettings().sort };
        changed.fire(undefined);
      }
      const places = ["probe.mediaAudit", "managed", "engines", "jellyfin", "configurationFile", "stateDirectory"];
      if (!places.some((name) => event.affectsConfiguration(`cacheOps.${name}`))) return;
      remotes.doubt();
      changed.fire(undefined);
    }),
  );
  describe();

  return {
    get selection() {
      return selection;
    },
    select(part) {
      selection = { ...selection, ...part };
      shown.clear();
      describe();
      changed.fire(undefined);
    },
    showMore(node) {
      if (node.type !== "more") return;
      shown.set(idOf(node.parent), node.shown + PAGE);
      changed.fire(node.parent);
    },
    async refresh() {
      remotes.doubt();
      await vscode.window.withProgress({ location: { viewId: "cacheOps.caches" } }, () => libraries.look(true));
    },
    showAgain() {
      probes.doubt(undefined);
      remotes.doubt();
      changed.fire(undefined);
    },
    async reveal(cache) {
      const root = await libraries.rootOf(cache);
      const row = await engine.request("directory", { directory: dirname(cache) });
      if (row === null || root === undefined) return;
      await view.reveal({ type: "directory", root, row }, { expand: 2, focus: true });
    },
  };
}
