import { lstatSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { argv } from "node:process";

import { measureMany } from "../../shared/caches/managed/measure-many.ts";

/* A process that measures the directories in one by threads, writes what it found, and is killed then: calls that hang
 * do not let it end. */

const [root = ""] = argv.slice(2);
const found: Record<string, unknown> = {};
const device = String(lstatSync(root, { bigint: true }).dev);
const paths = readdirSync(root).map((name) => join(root, name));
const options = { signal: new AbortController().signal, timeLimitSeconds: 2, threadsAfterMs: 0 };
await measureMany(paths, device, options, async (path, look) => {
  found[path.slice(root.length + 1)] =
    "figures" in look ? [look.figures.bytes, ...look.figures.unreadable.map(({ code }) => code)] : look;
});
writeSync(1, `${JSON.stringify(found)}\n`);
