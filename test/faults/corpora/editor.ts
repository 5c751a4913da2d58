import { registerHooks } from "node:module";

import type { Change, View } from "../../../shared/index.ts";
import type { Node } from "../../../extension/caches/nodes.ts";
import type { PlanOverview } from "../../../extension/protocol.ts";

/** What an item of a tree shows. */
export interface Shown {
  readonly label: string;
  readonly description?: unknown;
  readonly tooltip?: unknown;
  readonly accessibilityInformation?: { readonly label: string };
  readonly checkboxState?: { readonly tooltip: string; readonly accessibilityInformation?: { readonly label: string } };
}

/** What the extension makes for the views of the editor. */
export interface Views {
  /** The item of a node in the tree of caches. */
  itemOf(node: Node): Shown;
  /** The items of a plan under review. */
  reviewOf(overview: PlanOverview, changes: readonly Change[]): Shown[];
  /** The page of text that shows a result. */
  reportOf(view: View): Promise<string>;
}

/** As much of the editor as the items and reports are made with, and what it was given. */
const DOUBLE = `
export function TreeItem(label, collapsibleState) { Object.assign(this, { label, collapsibleState }); }
export function ThemeIcon(id, color) { Object.assign(this, { id, color }); }
export function ThemeColor(id) { this.id = id; }
export const TreeItemCollapsibleState = { None: 0, Collapsed: 1, Expanded: 2 };
export const TreeItemCheckboxState = { Unchecked: 0, Checked: 1 };
export const Uri = { from: (parts) => parts };
export const given = {};
export const commands = { executeCommand: async (_, uri) => { given.uri = uri; } };
export const workspace = { registerTextDocumentContentProvider: (_, provider) => { given.provider = provider; } };
export const window = {};
`;

interface Given {
  readonly uri: unknown;
  readonly provider: { provideTextDocumentContent(uri: unknown): string };
}

/** Loads what the extension makes its trees, reviews and reports with, outside of an editor. */
export async function loadViews(): Promise<Views> {
  const url = `data:text/javascript,${encodeURIComponent(DOUBLE)}`;
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === "vscode" ? { url, format: "module", shortCircuit: true } : next(specifier, context),
  });
  const { given } = (await import("vscode")) as unknown as { readonly given: Given };
  const caches = await import("../../../extension/caches/items.ts");
  const review = await import("../../../extension/review/nodes.ts");
  const { openReport, registerReports } = await import("../../../extension/report.ts");
  registerReports({ extension: { subscriptions: [] } } as unknown as Parameters<typeof registerReports>[0]);
  const unknown = { sightOf: () => undefined, figuresOf: () => undefined, central: undefined };
  const sections = { probes: unknown, managed: unknown, remotes: unknown } as unknown as Parameters<
    typeof caches.itemOf
  >[2];
  return {
    itemOf: (node) => caches.itemOf(node, Date.now(), sections) as Shown,
    reviewOf: (overview, changes) => {
      const [group] = overview.groups.rows;
      const nodes: Parameters<typeof review.itemOf>[0][] = [
        ...overview.groups.rows.map((each) => ({ type: "group", group: each }) as const),
        ...(group === undefined ? [] : changes.map((change) => ({ type: "change", group, change }) as const)),
        ...overview.blocked.map((blocked) => ({ type: "guard", blocked }) as const),
        ...overview.troubles.map(
          ({ path, message }) => ({ type: "note", text: `${path}: ${message}`, icon: "warning" }) as const,
        ),
        ...overview.skipped.map(
          ({ rule, examples }) =>
            ({ type: "note", text: rule, icon: "dash", more: examples.map(({ what }) => what) }) as const,
        ),
      ];
      return nodes.map((node) => review.itemOf(node, new Set()) as Shown);
    },
    async reportOf(view) {
      await openReport("Report", { view });
      return given.provider.provideTextDocumentContent(given.uri);
    },
  };
}
