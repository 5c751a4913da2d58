import { Type } from "typebox";

import { managedCacheFor, realRootOf } from "../caches/managed/configured.ts";
import { findMember, memberPath } from "../caches/managed/member-path.ts";
import { withManagedStore } from "../caches/managed/open.ts";
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

/** Pins a directory of a managed cache, or releases it. */
export const pin = defineOperation({
  name: "pin",
  title: "Pin a directory",
  description: "Pins a directory of a managed cache, so that it is never evicted, or releases it.",
  effect: "write",
  isExtraTool: true,
  input: Type.Object(
    {
      path: ManagedPath,
      cache: ManagedName,
      release: Type.Optional(Type.Boolean({ description: "Release it instead: it may be evicted again." })),
    },
    { additionalProperties: false },
  ),
  positional: "path",
  output: Type.Object({ cache: Type.String(), directory: ManagedDirectory }, { additionalProperties: false }),
  async run({ path: word, cache: name, release }, context) {
    const cache = await managedCacheFor(name, word, context);
    const path =
      release === true
        ? memberPath(cache, word, await realRootOf(cache, context))
        : (await findMember(cache, word, context)).path;
    return withManagedStore(cache, context, async (store) => {
      if (!(await store.setPinned(path, release !== true))) throw notRegistered(path, cache);
      return { cache: cache.name, directory: await registeredDirectory(store, path, cache) };
    });
  },
  outcome: () => "ok",
  view: ({ cache, directory }) => ({
    title: directory.isPinned
      ? `${printable(directory.path)} of ${cache} is pinned and stays.`
      : `${printable(directory.path)} of ${cache} is released and may be evicted.`,
    facts: [],
    table: { columns: DIRECTORY_COLUMNS, rows: [directoryCells(directory)] },
    notes: [],
  }),
});
