import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import type { ManagedCache } from "../../../shared/caches/managed/settings.ts";
import { Configuration, parse, type Context } from "../../../shared/index.ts";
import { makeContext } from "../../support/context.ts";
import { makePlace } from "../../support/place.ts";

/** Settings of a managed cache in a root, with every default filled in. */
export function managedSettings(root: string, parts: Partial<ManagedCache> = {}): ManagedCache {
  const { managed } = parse(Configuration, { managed: [{ name: "media", root, ...parts }] }, "configuration");
  const [cache] = managed;
  if (cache === undefined) throw new Error("no settings");
  return cache;
}

/** A context with these managed caches configured and a state directory of its own. */
export function managedContext(
  managed: readonly ManagedCache[],
  parts: Parameters<typeof makeContext>[0] = {},
): Context & { readonly stateDirectory: string } {
  const stateDirectory = makePlace("state");
  return { ...makeContext({ ...parts, config: { ...parts.config, managed } }), stateDirectory };
}

/** Writes a file of so many bytes below a root, with its directories; last written and read `ageSeconds` ago. */
export function fill(root: string, name: string, bytes = 1000, ageSeconds = 86_400): string {
  const path = join(root, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, Buffer.alloc(bytes, "x"));
  setAge(path, ageSeconds);
  setAge(dirname(path), ageSeconds);
  return path;
}

/** Makes a file or directory look last written and read so long ago. */
export function setAge(path: string, seconds: number): void {
  const time = Math.floor(Date.now() / 1000) - seconds;
  utimesSync(path, time, time);
}
