// The way one writes it at first: a pattern for the caches, a promise for each of their entries.
import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { argv } from "node:process";

import glob from "fast-glob";

const [, , library] = argv;
const caches = await glob("**/.mediabox_cache.json", { cwd: library, absolute: true, dot: true });
let entries = 0;
let removed = 0;
const clean = async (cache) => {
  const all = Object.values(JSON.parse(await readFile(cache, "utf8")));
  entries += all.length;
  const looks = await Promise.allSettled(all.map(({ file_name }) => stat(join(dirname(cache), file_name))));
  removed += looks.filter(({ status }) => status === "rejected").length;
};
for (let start = 0; start < caches.length; start += 8) await Promise.all(caches.slice(start, start + 8).map(clean));
console.log(JSON.stringify({ entries, removed }));
