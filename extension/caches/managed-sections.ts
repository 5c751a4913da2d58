import type { Engine } from "../engine.ts";
import type { ManagedFigures } from "../protocol.ts";
import type { Node } from "./nodes.ts";

type Managed = Extract<Node, { type: "managed" }>;

/** What a section is shown with once it was opened. */
export interface ManagedSight {
  readonly figures: ManagedFigures;
  /** What would go now, unless it is in use. */
  readonly due: { readonly directories: number; readonly bytes: number };
}

/** Directories of a managed cache, how many there are in all, and what is dangerous there. */
interface ManagedRows {
  readonly rows: Node[];
  readonly total: number;
  readonly warnings: readonly string[];
}

/** The parts of the tree about managed caches: each is looked into when it is opened, not before. */
export interface ManagedSections {
  /** A section for each managed cache that is configured. */
  sections(): Promise<Node[]>;
  /** So many of its directories, the longest unused first. */
  directoriesOf(node: Managed, limit: number): Promise<ManagedRows>;
  quarantineOf(node: Extract<Node, { type: "quarantine" }>): Promise<Node[]>;
  sightOf(node: Managed): ManagedSight | undefined;
  /** Whether a section was opened, so that what changes in it has to be shown. */
  readonly isKnown: boolean;
}

/** Makes them. `onFigures` hears when a section has other figures than it is shown with. */
export function makeManagedSections(engine: Engine, onFigures: (node: Node) => void): ManagedSections {
  const known = new Map<string, ManagedSight>();
  return {
    get isKnown() {
      return known.size > 0;
    },
    sightOf: ({ name }) => known.get(name),
    async sections() {
      const { managed } = (await engine.request("places", {})).configuration;
      const names = new Set(managed.map(({ name }) => name));
      for (const name of known.keys()) if (!names.has(name)) known.delete(name);
      return managed.map(({ name, root }) => ({ type: "managed", name, root }));
    },
    async directoriesOf(node, limit) {
      const { name: cache, root } = node;
      const { figures, due, warnings, rows, total } = await engine.request("managed", { cache, offset: 0, limit });
      const sight = { figures, due };
      const before = known.get(cache);
      known.set(cache, sight);
      if (before === undefined || keyOf(before) !== keyOf(sight)) onFigures(node);
      return { total, warnings, rows: rows.map((row) => ({ type: "managedDirectory", cache, root, row })) };
    },
    async quarantineOf({ cache }) {
      const rows = await engine.request("quarantined", { cache });
      return rows.map((row) => ({ type: "quarantined", cache, row }));
    },
  };
}

/** What a section's row depends on: not the free bytes, which are others at every look. */
function keyOf({ figures: { disk, cache, ...figures }, due }: ManagedSight): string {
  const isDiskFull = cache.minFreeBytes !== undefined && disk.free < cache.minFreeBytes;
  return JSON.stringify([cache, figures, due, isDiskFull]);
}
