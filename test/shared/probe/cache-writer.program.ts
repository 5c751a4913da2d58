import { openProbeCache } from "../../../shared/caches/probe/open.ts";
import { Configuration } from "../../../shared/config.ts";
import { parse } from "../../../shared/validate.ts";

/*
 * A process that fills the probe cache: `cache-writer STATE ID COUNT`. After each `set` it prints the number,
 * which must then survive kill -9. Each path is asked for, too: a miss before, a hit after.
 */

const [stateDirectory = "", id = "", count = "0"] = process.argv.slice(2);
const cache = await openProbeCache({
  now: () => Date.now(),
  log: () => undefined,
  state: () => {
    throw new Error("not needed");
  },
  stateDirectory,
  configuration: parse(Configuration, { probe: { memoryEntries: 0 } }, "configuration"),
});
for (let number = 0; number < Number(count); number += 1) {
  const path = `/media/${id}/${number}.mkv`;
  const state = { size: BigInt(number), mtimeNs: 5n };
  await cache.get(path, state);
  await cache.set(path, state, { state: "probed", data: { streams: [], format: { number } } });
  if ((await cache.get(path, state)) === undefined) throw new Error(`${path} is not there`);
  process.stdout.write(`${number}\n`);
}
await cache.close();
