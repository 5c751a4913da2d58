import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** Everything that makes a tree what it is, one line a name: type, mode, owner, time in ns, size, content. */
export function treeState(root: string): string[] {
  const lines: string[] = [];
  const visit = (path: string, shown: string) => {
    const stats = lstatSync(path, { bigint: true });
    const content = stats.isFile()
      ? createHash("sha256").update(readFileSync(path)).digest("hex")
      : stats.isSymbolicLink()
        ? readlinkSync(path)
        : "";
    const { mode, uid, gid, mtimeNs } = stats;
    lines.push([shown, mode, uid, gid, mtimeNs, stats.isFile() ? stats.size : "", content].join(" "));
    if (stats.isDirectory())
      for (const name of readdirSync(path).toSorted()) visit(join(path, name), `${shown}/${name}`);
  };
  visit(root, ".");
  return lines;
}
