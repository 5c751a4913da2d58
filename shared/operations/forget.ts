import { Type } from "typebox";

import { managedCacheFor, realRootOf } from "../caches/managed/configured.ts";
import { memberPath } from "../caches/managed/member-path.ts";
import { withManagedStore } from "../caches/managed/open.ts";
import { defineOperation } from "../operation.ts";
import { printable } from "../printable.ts";
import { ManagedName, ManagedPath } from "./input.ts";
import { DIRECTORY_COLUMNS, directoryCells, ManagedDirectory, registeredDirectory } from "./managed-view.ts";

/** Takes a directory out of the register of a managed cache. */
export const forget = defineOperation({
  name: "forget",
  title: "Forget a directory",
  description: "Takes a directory out of the register of a managed cache. Its files stay; `evict` is what removes.",
  effect: "write",
  isExtraTool: true,
  input: Type.Object({ path: ManagedPath, cache: ManagedName }, { additionalProperties: false }),
  positional: "path",
  output: Type.Object(
    {
      cache: Type.String(),
      returns: Type.Boolean({ description: "Whether it is registered again as soon as it is seen." }),
      directory: ManagedDirectory,
    },
    { additionalProperties: false },
  ),
  async run({ path: word, cache: name }, context) {
    const cache = await managedCacheFor(name, word, context);
    const path = memberPath(cache, word, await realRootOf(cache, context));
    return withManagedStore(cache, context, async (store) => {
      const directory = await registeredDirectory(store, path, cache);
      await store.forget([path]);
      return { cache: cache.name, returns: cache.autoRegister, directory };
    });
  },
  outcome: () => "ok",
  view: ({ cache, returns, directory }) => ({
    title: `${printable(directory.path)} is not in the register of ${cache} any more. Its files are where they were.`,
    facts: [],
    table: { columns: DIRECTORY_COLUMNS, rows: [directoryCells(directory)] },
    notes: returns ? [`${cache} registers what it sees: it comes back with the next reconcile, if it is there.`] : [],
  }),
});
