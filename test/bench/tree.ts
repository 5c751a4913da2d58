import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { env, platform } from "node:process";
import { fileURLToPath } from "node:url";

import { createMessageConnection, IPCMessageReader, IPCMessageWriter } from "vscode-jsonrpc/node";

import type { Requests } from "../../extension/protocol.ts";
import { makeLargeLibrary } from "../host/large/library.ts";
import { table } from "./show.ts";

const WORKER = fileURLToPath(new URL("../../extension/dist/worker.js", import.meta.url));
/** As many rows as the tree asks for at once. */
const PAGE = 200;

/** What one request of the tree took, and what memory the worker had after it. */
interface TreeFigures {
  readonly what: string;
  readonly milliseconds: number;
  /** `undefined` where the system does not tell. */
  readonly megabytes: number | undefined;
}

/**
 * What the editor's worker takes to show a tree of 100,000 caches: from nothing to the first rows, in other orders, and
 * with one directory looked at again. How evenly the window scrolls, `test/host/large.test.ts` prints.
 */
export async function benchTree(place: string): Promise<readonly TreeFigures[]> {
  const library = makeLargeLibrary();
  const child = fork(WORKER, [], { env, stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const ended = once(child, "exit");
  try {
    const connection = createMessageConnection(new IPCMessageReader(child), new IPCMessageWriter(child));
    connection.listen();
    let id = 0;
    const ask = <K extends keyof Requests>(name: K, params: Requests[K][0]) => {
      id += 1;
      return connection.sendRequest<Requests[K][1]>(name, { id, params });
    };
    const figures: TreeFigures[] = [];
    const measure = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
      const begun = performance.now();
      const result = await work();
      figures.push({ what, milliseconds: performance.now() - begun, megabytes: megabytesOf(child.pid, "VmRSS") });
      return result;
    };
    const rows = (sort: "stale" | "name", offset = 0, search = "") =>
      ask("directories", { root: library.root, selection: { problems: [], search, sort }, offset, limit: PAGE });

    const libraries = [{ name: "films", roots: [library.root] }];
    const stateDirectory = mkdtempSync(join(place, "tree-"));
    await measure("start", () =>
      ask("configure", { stateDirectory, configurationFile: "", configuration: { libraries } }),
    );
    const { roots } = await measure("look", () => ask("survey", { refresh: true }));
    if (roots[0]?.caches !== library.caches || roots[0].stale !== library.stale) throw new Error("the worker is wrong");
    await measure("first rows", () => rows("stale"));
    await measure("rows by name", () => rows("name"));
    const [row] = (await measure("rows far down", () => rows("name", library.caches - PAGE))).rows;
    await measure("search", () => rows("name", 0, "film 05"));
    await measure("one directory again", () => ask("resurvey", { directories: [row?.directory ?? ""] }));
    await measure("rows after that", () => rows("name"));
    await measure("look again", () => ask("survey", { refresh: true }));
    await measure("rows after that", () => rows("name"));
    console.log(`\n### the editor's tree of ${library.caches} caches\n\n${shown(figures)}`);
    console.log(`\npeak ${megabytesOf(child.pid, "VmHWM")?.toFixed(0) ?? "–"} MB`);
    return figures;
  } finally {
    child.disconnect();
    await ended;
    library.remove();
  }
}

function megabytesOf(process: number | undefined, what: "VmRSS" | "VmHWM"): number | undefined {
  if (platform !== "linux") return undefined;
  return Number(new RegExp(`${what}:\\s+(\\d+)`).exec(readFileSync(`/proc/${process}/status`, "utf8"))?.[1]) / 1024;
}

function shown(figures: readonly TreeFigures[]): string {
  const rows = figures.map(({ what, milliseconds, megabytes }) => [
    what,
    milliseconds.toFixed(0),
    megabytes?.toFixed(0) ?? "–",
  ]);
  return table(["", "ms", "MB"], rows);
}
