import { Type } from "typebox";

import { managedCacheFor } from "../caches/managed/configured.ts";
import { inspectManagedRoot, memberDirectory, memberPath } from "../caches/managed/member-path.ts";
import { withManagedStore } from "../caches/managed/open.ts";
import { CacheOpsError } from "../errors.ts";
import { defineOperation } from "../operation.ts";
import { printable } from "../printable.ts";
import { ManagedName, ManagedPath } from "./input.ts";
import {
  DIRECTORY_COLUMNS,
  directoryCells,
  ManagedDirectory,
  notRegistered,
  registeredDirectory,
} from "./managed-view.ts";

/** Notes that a directory of a managed cache was used. */
export const touch = defineOperation({
  name: "touch",
  title: "Note a use",
  description: "Notes that a directory of a managed cache was used just now, which extends its TTL.",
  effect: "write",
  addsUp: true,
  isExtraTool: true,
  input: Type.Object({ path: ManagedPath, cache: ManagedName }, { additionalProperties: false }),
  positional: "path",
  output: Type.Object({ cache: Type.String(), directory: ManagedDirectory }, { additionalProperties: false }),
  async run({ path: word, cache: name }, context) {
    const cache = await managedCacheFor(name, word, context);
    const { realPath } = await inspectManagedRoot(cache, context);
    const path = memberPath(cache, word, realPath);
    return withManagedStore(cache, context, async (store) => {
      try {
        await memberDirectory(realPath, path, context);
      } catch (error) {
        // Asked for, and not there: a miss, unless the register has it, which then is wrong.
        const isMiss = error instanceof CacheOpsError && error.code === "not_found";
        if (isMiss && (await store.get(path)) === undefined) await store.touch(path, context.now());
        throw error;
      }
      if (!(await store.touch(path, context.now()))) throw notRegistered(path, cache);
      return { cache: cache.name, directory: await registeredDirectory(store, path, cache) };
    });
  },
  outcome: () => "ok",
  view: ({ cache, directory }) => ({
    title: `${printable(directory.path)} of ${cache} is marked as used.`,
    facts: [],
    table: { columns: DIRECTORY_COLUMNS, rows: [directoryCells(directory)] },
    notes: [],
  }),
});
