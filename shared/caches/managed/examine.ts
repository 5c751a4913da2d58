import { resolve } from "node:path";

import type { Context } from "../../context.ts";
import { CacheOpsError } from "../../errors.ts";
import { inspectRoot } from "../../passport.ts";
import { formatBytes, parseDuration } from "../../units.ts";
import { count } from "../../view.ts";
import type { Examined } from "../probe/examine.ts";
import { keepsAccessTimes } from "./mounts.ts";
import { withManagedStore } from "./open.ts";
import type { ManagedCache } from "./settings.ts";

/** Looks whether roots and registers of the managed caches are in order, and what other programs do to them. */
export async function examineManaged(context: Context): Promise<readonly Examined[]> {
  const checks: Examined[] = [];
  for (const cache of context.configuration.managed) {
    checks.push(await examineRoot(cache, context), ...(await examineRegister(cache, context)));
  }
  return checks;
}

async function examineRoot({ name, root }: ManagedCache, { configuration }: Context): Promise<Examined> {
  const check = `managed ${name}`;
  const found = await inspectRoot(resolve(root), parseDuration(configuration.timeLimit));
  if (found.state === "empty") {
    const hint = "If its disk is not mounted, mount it. A new cache is empty.";
    return { name: check, status: "warning", message: `${root} is empty`, hint };
  }
  if (found.state !== "healthy") {
    const hint = "Mount its disk, check rights and spelling. Until then nothing of it is changed.";
    return { name: check, status: "failed", message: `${root}: ${found.state} (${found.detail})`, hint };
  }
  if ((await keepsAccessTimes(found.passport.realPath)) === "no") {
    const message = `${root} is mounted noatime: what is only read counts as unused`;
    const hint = "Mount it relatime, or have programs `touch` what they read.";
    return { name: check, status: "warning", message, hint };
  }
  return { name: check, status: "ok", message: `${root} is in order`, hint: null };
}

async function examineRegister(cache: ManagedCache, context: Context): Promise<Examined[]> {
  const name = `register of ${cache.name}`;
  try {
    return await withManagedStore(cache, context, async (store) => {
      const { directories, bytes } = await store.totals();
      const message = `${store.name}: ${count(directories, "directory", "directories")}, ${formatBytes(bytes)}`;
      const warnings = (await store.warnings()).map((message): Examined => {
        return { name, status: "warning", message, hint: null };
      });
      return [{ name, status: "ok", message, hint: null }, ...warnings];
    });
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code === "interrupted") throw error;
    return [{ name, status: "failed", message: error.message, hint: error.hint ?? null }];
  }
}
