import { deepEqual, equal, ok } from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import type { ChangedDirectories } from "../../shared/watch-thread.ts";
import { watchTree, type WatchedTree } from "../../shared/watch-tree.ts";
import { makeDirectory, makePlace } from "../support/place.ts";

describe("a watched tree", () => {
  const trees: WatchedTree[] = [];

  const start = (root: string, queueLimit = 1000) => {
    const told: ChangedDirectories[] = [];
    const tree = watchTree({ queueLimit, alive: () => undefined, onChange: (changes) => told.push(changes) });
    trees.push(tree);
    const watched = tree.begin([{ root, path: root }]);
    const until = async (holds: () => boolean) => {
      while (!holds()) await delay(5);
    };
    return { told, tree, watched, until };
  };

  after(() => {
    for (const tree of trees) tree.begin([]);
  });

  it("says so when more happened at once than the system keeps", async () => {
    const root = makePlace();
    const { told, until } = start(root, 50);
    for (let at = 0; at < 60; at += 1) writeFileSync(join(root, `${at}`), "x");
    await until(() => told.length > 0);
    equal(told[0]?.isOverflow, true);
    writeFileSync(join(root, "more"), "x");
    await until(() => told.length > 1);
    equal(told.at(-1)?.isOverflow, false);
  });

  it("counts directories that come and go, and strikes out all that lay below one", async () => {
    const [root, elsewhere] = [makePlace(), makePlace()];
    makeDirectory(root, "a", "b", "c");
    const { told, watched, until } = start(root);
    deepEqual(watched, { directories: 4, unwatched: 0, errno: undefined });
    renameSync(join(root, "a"), join(elsewhere, "a"));
    await until(() => told.flatMap(({ gone }) => gone).length === 3);
    equal(told.at(-1)?.directories, 1);
    renameSync(join(elsewhere, "a"), join(root, "a"));
    await until(() => told.at(-1)?.directories === 4);
    ok(told.some(({ changed }) => changed.includes(join(root, "a", "b", "c"))));
  });

  it("goes on when its roots go away, and watches them again when it is told to", async () => {
    const root = makePlace();
    mkdirSync(join(root, "a"));
    const { told, tree, until } = start(root);
    rmSync(root, { recursive: true });
    await until(() => told.at(-1)?.directories === 0);
    mkdirSync(root);
    equal(tree.begin([{ root, path: root }]).directories, 1);
    mkdirSync(join(root, "b"));
    await until(() => told.at(-1)?.directories === 2);
  });
});
