import { execFileSync } from "node:child_process";

import { makePlace } from "../support/place.ts";

/** A small file system of its own; `after(unmountAll)` belongs to it. `size` as tmpfs takes it: `64k`, `1m`. */
export function mountTmpfs(size: string): string {
  const place = makePlace("mount");
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size},mode=0755`, "cache-ops-test", place]);
  mounted.push(place);
  return place;
}

/** Makes a mounted file system read-only. */
export function remountReadOnly(place: string): void {
  execFileSync("mount", ["-o", "remount,ro", place]);
}

const mounted: string[] = [];

/** Unmounts everything. To be called in a suite's own `after`, before the places themselves are removed. */
export function unmountAll(): void {
  for (const place of mounted.splice(0)) execFileSync("umount", ["-l", place]);
}
