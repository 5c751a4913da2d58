import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";

import { removeTemp } from "../atomic.ts";
import { errnoOf } from "../errors.ts";
import { newId } from "../ids.ts";
import { lifeOf, thisOwner, type Owner } from "../owner.ts";

/** SQLite has a journal beside a copy while it writes one. */
const NAME =
  /^\.cache-ops-backup-([0-9a-f]{12})-([0-9a-f]{12})-([0-9a-f]{12})-(\d{1,10})-(\d{0,20})-run-[0-9a-z]+\.tmp(-journal)?$/;

/** A new name for a temporary file of a backup. It tells which process makes it: see {@link removeDeadTemps}. */
export function backupTempName(owner: Owner = thisOwner()): string {
  const { host, boot, namespace, pid, startedAt } = owner;
  const machine = [host, boot, namespace].map(short).join("-");
  return `.cache-ops-backup-${machine}-${pid}-${startedAt}-${newId("run")}.tmp`;
}

/**
 * Removes the temporary files of backups whose process is known to be dead from a directory, given as the way to a name
 * in it. What a living process makes stays, and so does what one on another host made, or what belongs to somebody else.
 */
export async function removeDeadTemps(at: (name: string) => string): Promise<void> {
  const self = thisOwner();
  for (const entry of await readdir(at("."), { withFileTypes: true })) {
    const owner = entry.isFile() ? ownerNamed(entry.name, self) : undefined;
    if (owner === undefined || lifeOf(owner, self) !== "dead") continue;
    try {
      await removeTemp(at(entry.name));
    } catch (error) {
      if (errnoOf(error) !== "EACCES" && errnoOf(error) !== "EPERM") throw error;
    }
  }
}

/** The owner a name tells of, as far as it is comparable with this process. */
function ownerNamed(name: string, self: Owner): Owner | undefined {
  const [, host, boot, namespace, pid, startedAt = ""] = NAME.exec(name) ?? [];
  if (pid === undefined) return undefined;
  const same = (hash: string | undefined, own: string) => (hash === short(own) ? own : `not ${own}`);
  return {
    host: same(host, self.host),
    boot: same(boot, self.boot),
    namespace: same(namespace, self.namespace),
    pid: Number(pid),
    startedAt,
  };
}

function short(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
