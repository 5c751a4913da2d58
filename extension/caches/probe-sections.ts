import { EngineError, errorText, type Engine } from "../engine.ts";
import type { MediaAuditFigures, ProbeCacheFigures, Requests } from "../protocol.ts";
import type { Node } from "./nodes.ts";
import { probeCacheFacts } from "./probe-items.ts";

type MediaAudit = Extract<Node, { type: "mediaAudit" }>;
type Part = Pick<Requests["mediaAudit"][0], "selection" | "limit">;

/** The parts of the tree about caches of probe results: each is looked into when it is opened, not before. */
export interface ProbeSections {
  /** A section for each cache of probe results that there is; instead, what is wrong with the setting of their places. */
  sections(): Promise<Node[]>;
  /** The files of a cache of media-audit, and how many there are in all. */
  entriesOf(node: MediaAudit, part: Part): Promise<{ readonly rows: Node[]; readonly total: number }>;
  /** What the central cache adds up to. */
  factsOf(node: Extract<Node, { type: "probeCache" }>): Promise<Node[]>;
  figuresOf(node: MediaAudit): MediaAuditFigures | undefined;
  /** Figures of the central cache. */
  readonly central: ProbeCacheFigures | undefined;
  /** Something changed in these directories, or (`undefined`) anywhere: what lies there is looked at again when shown. */
  doubt(directories: readonly string[] | undefined): void;
}

/** Makes them. `onFigures` hears when a section has other figures than it is shown with. */
export function makeProbeSections(engine: Engine, onFigures: (node: Node) => void): ProbeSections {
  const known = new Map<string, MediaAuditFigures>();
  const doubted = new Set<string>();
  let central: ProbeCacheFigures | undefined;
  const tell = (node: Node, before: unknown, after: unknown) => {
    if (JSON.stringify(before) !== JSON.stringify(after)) onFigures(node);
  };
  return {
    get central() {
      return central;
    },
    figuresOf: ({ place }) => known.get(place),
    async sections() {
      try {
        const { mediaAudit, hasOwn } = await engine.request("probeCaches", {});
        const isOnly = mediaAudit.length === 1;
        return [
          ...mediaAudit.map((place) => ({ type: "mediaAudit", place, isOnly }) as const),
          ...(hasOwn ? [{ type: "probeCache" } as const] : []),
        ];
      } catch (error) {
        if (!(error instanceof EngineError) || error.code !== "invalid_input") throw error;
        return [{ type: "message", text: errorText(error), isError: true }];
      }
    },
    async entriesOf(node, part) {
      const { place } = node;
      const refresh = doubted.delete(place);
      const request = engine.request("mediaAudit", { place, refresh, offset: 0, ...part });
      const page = await request.catch((error: unknown) => {
        if (refresh) doubted.add(place);
        throw error;
      });
      const before = known.get(place);
      known.set(place, page.figures);
      tell(node, before, page.figures);
      return { total: page.total, rows: page.rows.map((row) => ({ type: "mediaAuditEntry", place, row })) };
    },
    async factsOf(node) {
      const figures = await engine.request("probeCache", {});
      const before = central;
      central = figures === null || "trouble" in figures ? undefined : figures;
      tell(node, before, central);
      if (figures === null) return [{ type: "message", text: "Nothing was probed yet.", isError: false }];
      if ("trouble" in figures) return [{ type: "message", text: figures.trouble, isError: true }];
      return probeCacheFacts(figures);
    },
    doubt(directories) {
      central = undefined;
      for (const place of known.keys()) {
        const isInside = (path: string) => path === place || path.startsWith(`${place}/`);
        if (directories !== undefined && !directories.some(isInside)) continue;
        known.delete(place);
        doubted.add(place);
      }
    },
  };
}
