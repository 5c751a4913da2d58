import { join, relative } from "node:path";

import type { Context } from "../../../context.ts";
import type { Reason } from "../../../finding.ts";
import { presenceOf } from "../../../presence.ts";
import { walk } from "../../../walk.ts";

/** The last modification in a whole directory tree, or why it cannot be told. */
export type Newest =
  | { readonly path: string; readonly mtimeNs: bigint; readonly size: bigint }
  | { readonly doubt: Reason };

/**
 * Looks for what was modified last in a directory and everything below it. media-audit looks one level deep and so
 * takes entries of changed series for valid.
 */
export async function newestIn(
  directory: string,
  timeLimitSeconds: number,
  { signal }: Pick<Context, "signal">,
): Promise<Newest> {
  let newest = { path: directory, mtimeNs: 0n, size: 0n };
  let doubt: Reason | undefined;
  const onTrouble = ({ path, code }: { readonly path: string; readonly code: string }) => {
    doubt ??= {
      rule: code === "name_not_utf8" ? code : "media_unreadable",
      observed: relative(directory, path) || code,
    };
  };
  const look = async (path: string) => {
    const presence = await presenceOf(path, timeLimitSeconds);
    if (presence.state === "unknown") onTrouble({ path, code: presence.errno });
    if (presence.state !== "present") return;
    const { mtimeNs, size } = presence.stats;
    if (mtimeNs > newest.mtimeNs) newest = { path, mtimeNs, size };
  };
  await walk([directory], { signal, timeLimitSeconds, onTrouble }, async ({ path, names }) => {
    await look(path);
    for (const [name, type] of names) if (type !== "directory") await look(join(path, name));
  });
  return doubt === undefined ? newest : { doubt };
}
