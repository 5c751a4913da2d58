import { Type, type Static } from "typebox";

import type { ManagedEntry, ManagedStore } from "../caches/managed/managed-store.ts";
import type { ManagedCache } from "../caches/managed/settings.ts";
import { CacheOpsError } from "../errors.ts";
import { printable } from "../printable.ts";
import { formatBytes } from "../units.ts";

const Moment = (description: string) => Type.Union([Type.String(), Type.Null()], { description });

/** A directory of a managed cache as results show it. */
export const ManagedDirectory = Type.Object(
  {
    path: Type.String({ description: "Relative to the root of the cache." }),
    bytes: Type.Integer({ description: "Size of its files as last measured." }),
    files: Type.Integer(),
    registeredAt: Type.String(),
    accessedAt: Type.String({ description: "Last use." }),
    expiresAt: Moment("When it expires unless it is used before; null: never."),
    accesses: Type.Integer({ description: "How often it was used." }),
    isPinned: Type.Boolean(),
    refillSeconds: Type.Union([Type.Number(), Type.Null()], {
      description: "How long getting its content back takes; null: not known.",
    }),
  },
  { additionalProperties: false },
);
export type ManagedDirectory = Static<typeof ManagedDirectory>;

/** An entry of a register as results show it: times as ISO 8601. */
export function directoryOf(entry: ManagedEntry): ManagedDirectory {
  const { registeredAt, accessedAt, expiresAt } = entry;
  return {
    ...entry,
    registeredAt: new Date(registeredAt).toISOString(),
    accessedAt: new Date(accessedAt).toISOString(),
    expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString(),
  };
}

/** What the register says of a directory. Throws `not_found` when it says nothing. */
export async function registeredDirectory(
  store: ManagedStore,
  path: string,
  cache: Pick<ManagedCache, "name">,
): Promise<ManagedDirectory> {
  const entry = await store.get(path);
  if (entry === undefined) throw notRegistered(path, cache);
  return directoryOf(entry);
}

/** The error for a directory that the register does not have. */
export function notRegistered(path: string, { name }: Pick<ManagedCache, "name">): CacheOpsError {
  return new CacheOpsError("not_found", `${printable(path)} is not registered in ${name}`, {
    hint: "`register` it, or let `reconcile` find what is there; `directories` lists what is registered.",
  });
}

/** What a table says of a directory, in the order of {@link directoryCells}. */
export const DIRECTORY_COLUMNS = ["Directory", "Size", "Files", "Last used", "Uses", "Expires", "Pinned"] as const;

/** The cells of one directory. */
export function directoryCells(directory: ManagedDirectory): (string | number)[] {
  const { path, bytes, files, accessedAt, accesses, expiresAt, isPinned } = directory;
  return [
    printable(path),
    formatBytes(bytes),
    files,
    minuteOf(accessedAt),
    accesses,
    expiresAt === null ? "never" : minuteOf(expiresAt),
    isPinned ? "yes" : "",
  ];
}

/** A moment as tables show it: to the minute, in UTC. */
export function minuteOf(iso: string): string {
  return iso.slice(0, 16).replace("T", " ");
}
