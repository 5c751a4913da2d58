import { Type } from "typebox";

import { managedCacheFor } from "../caches/managed/configured.ts";
import { findMember } from "../caches/managed/member-path.ts";
import { withManagedStore } from "../caches/managed/open.ts";
import { seeTree } from "../caches/managed/tree.ts";
import { CacheOpsError } from "../errors.ts";
import { defineOperation } from "../operation.ts";
import { printable } from "../printable.ts";
import { formatBytes } from "../units.ts";
import { ManagedName, ManagedPath } from "./input.ts";
import { DIRECTORY_COLUMNS, directoryCells, ManagedDirectory, registeredDirectory } from "./managed-view.ts";

/** Registers a directory in a managed cache. */
export const register = defineOperation({
  name: "register",
  title: "Register a directory",
  description:
    "Puts a directory under TTL and quota of a managed cache, with its real size. Once more only corrects the size.",
  effect: "write",
  isExtraTool: true,
  input: Type.Object(
    {
      path: ManagedPath,
      cache: ManagedName,
      refillSeconds: Type.Optional(
        Type.Number({ exclusiveMinimum: 0, description: "How long getting its content back would take." }),
      ),
    },
    { additionalProperties: false },
  ),
  positional: "path",
  output: Type.Object(
    {
      cache: Type.String(),
      isNew: Type.Boolean({ description: "Whether it was not registered before." }),
      previousBytes: Type.Union([Type.Integer(), Type.Null()], { description: "Its size as it was known before." }),
      directory: ManagedDirectory,
    },
    { additionalProperties: false },
  ),
  async run({ path: word, cache: name, refillSeconds }, context) {
    const cache = await managedCacheFor(name, word, context);
    const { path, directory } = await findMember(cache, word, context);
    const tree = await seeTree(directory, context);
    if (tree === undefined) {
      throw new CacheOpsError("not_found", `${printable(directory)} is gone`, {
        hint: "It went away just now. `reconcile` brings the register up to date.",
      });
    }
    const { bytes, files } = tree.measurement;
    return withManagedStore(cache, context, async (store) => {
      const before = await store.get(path);
      await store.register([{ path, bytes, files, refillSeconds }], context.now());
      return {
        cache: cache.name,
        isNew: before === undefined,
        previousBytes: before?.bytes ?? null,
        directory: await registeredDirectory(store, path, cache),
      };
    });
  },
  outcome: () => "ok",
  view: ({ cache, isNew, previousBytes, directory }) => ({
    title: isNew
      ? `${printable(directory.path)} is registered in ${cache}.`
      : `${printable(directory.path)} was registered in ${cache} already.`,
    facts: previousBytes === null ? [] : [["Size before", formatBytes(previousBytes)]],
    table: { columns: DIRECTORY_COLUMNS, rows: [directoryCells(directory)] },
    notes: [],
  }),
});
