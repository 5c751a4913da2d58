import type { Context } from "../../context.ts";
import { onDatabase, openDatabase } from "../../database.ts";
import type { Content } from "../../file.ts";
import type { PackedTree, PackTarget } from "../../change.ts";
import { transaction } from "../../state.ts";
import { MANAGED_DATABASE, managedFileOf } from "./database.ts";

/** A directory of a managed cache that lies packed somewhere. Times are in milliseconds since 1970. */
export interface Pack {
  /** Name of the managed cache. */
  readonly cache: string;
  readonly path: string;
  readonly target: PackTarget;
  /** The archive's own bytes. */
  readonly content: Content;
  readonly tree: PackedTree;
  readonly packedAt: number;
  /** When its directory was last brought back from it; `null`: never. */
  readonly warmedAt: number | null;
}

/** What this host packed, in the file of its registers: also for caches whose register is in Redis. */
export interface Packs {
  note(pack: Omit<Pack, "warmedAt">): void;
  noteWarmed(target: PackTarget, at: number): void;
  forget(target: PackTarget): void;
  at(target: PackTarget): Pack | undefined;
  /** Packs of a cache, or of one of its directories, the newest first. */
  list(cache: string, path?: string): readonly Pack[];
}

/** Runs `work` on what is packed. Throws as {@link openDatabase} does. */
export function withPacks<T>(context: Pick<Context, "state" | "stateDirectory">, work: (packs: Packs) => T): T {
  const file = managedFileOf(context);
  const database = openDatabase(file, MANAGED_DATABASE);
  const write = (sql: string, ...values: readonly (string | number | null)[]) =>
    onDatabase(file, MANAGED_DATABASE, () => transaction(database, () => void database.prepare(sql).run(...values)));
  const read = (sql: string, ...values: readonly string[]) =>
    onDatabase(file, MANAGED_DATABASE, () => database.prepare(sql).all(...values)).map(packOf);
  try {
    // What is written here may be all that says where the only copy lies: it has to survive a power cut, too.
    database.exec("PRAGMA synchronous = FULL");
    return work({
      note: ({ cache, path, target, content, tree, packedAt }) =>
        write(
          "INSERT OR REPLACE INTO packs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
          JSON.stringify(target),
          cache,
          path,
          content.sha256,
          content.size,
          tree.sha256,
          tree.bytes,
          tree.names,
          Math.floor(packedAt),
        ),
      noteWarmed: (target, at) =>
        write("UPDATE packs SET warmed_at = ? WHERE target = ?", Math.floor(at), JSON.stringify(target)),
      forget: (target) => write("DELETE FROM packs WHERE target = ?", JSON.stringify(target)),
      at: (target) => read("SELECT * FROM packs WHERE target = ?", JSON.stringify(target))[0],
      list: (cache, path) =>
        path === undefined
          ? read("SELECT * FROM packs WHERE cache = ? ORDER BY packed_at DESC", cache)
          : read("SELECT * FROM packs WHERE cache = ? AND path = ? ORDER BY packed_at DESC", cache, path),
    });
  } finally {
    database.close();
  }
}

function packOf(row: Readonly<Record<string, unknown>>): Pack {
  return {
    cache: String(row["cache"]),
    path: String(row["path"]),
    target: JSON.parse(String(row["target"])) as PackTarget,
    content: { sha256: String(row["sha256"]), size: Number(row["size"]) },
    tree: { sha256: String(row["tree"]), bytes: Number(row["bytes"]), names: Number(row["names"]) },
    packedAt: Number(row["packed_at"]),
    warmedAt: row["warmed_at"] === null ? null : Number(row["warmed_at"]),
  };
}
