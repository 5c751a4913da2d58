import { openEmbeddedStore } from "../../../shared/caches/managed/embedded-store.ts";
import { managedCache } from "./store-settings.ts";

/*
 * A process that works on the register of `films`: `store-writer STATE ID COUNT`. After each round it prints
 * its number; what the round did must then survive kill -9. Round n registers a directory of n bytes, uses the
 * directory of all writers, asks for one that is not there, and evicts every third directory of its own.
 */

const [stateDirectory = "", id = "", count = "0"] = process.argv.slice(2);
const store = await openEmbeddedStore(managedCache(), {
  now: () => Date.now(),
  stateDirectory,
  state: () => {
    throw new Error("not needed");
  },
});
await store.register([{ path: "shared", bytes: 0, files: 0 }], 0);
for (let round = 0; round < Number(count); round += 1) {
  const path = `${id}/${round}`;
  await store.register([{ path, bytes: round, files: 1 }], round);
  if (!(await store.touch("shared", round))) throw new Error("the shared directory is not there");
  await store.touch(`${id}/none`, round);
  const lease = await store.lease("one at a time", 60);
  await lease?.assertHeld();
  await lease?.release();
  if (round % 3 === 0) {
    await store.forget([path]);
    await store.countEvictions(1, round);
  }
  process.stdout.write(`${round}\n`);
}
await store.close();
