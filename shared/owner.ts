import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { kill, pid } from "node:process";

import { Type, type Static } from "typebox";

import { errnoOf } from "./errors.ts";

/** A process that holds a lock or carries out a run, precise enough to tell a dead one from another with its number. */
export const Owner = Type.Object(
  {
    host: Type.String(),
    boot: Type.String({ description: "Boot id of the host; empty where there is none." }),
    namespace: Type.String({ description: "Process namespace; processes of another cannot be judged." }),
    pid: Type.Integer(),
    startedAt: Type.String({ description: "Start time of the process in the kernel's ticks; empty where unknown." }),
  },
  { additionalProperties: false },
);
export type Owner = Static<typeof Owner>;

/** File inside a lock directory that names its holder. */
export const OWNER_FILE = "owner.json";

/** This process. */
export function thisOwner(): Owner {
  return {
    host: hostname(),
    boot: readOr("", () => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()),
    namespace: readOr("", () => readlinkSync("/proc/self/ns/pid")),
    pid,
    startedAt: startOf(pid),
  };
}

/** Whether the owner still lives; `unknown` for processes of another host or namespace. */
export function lifeOf(owner: Owner, self: Owner = thisOwner()): "alive" | "dead" | "unknown" {
  if (owner.host !== self.host) return "unknown";
  if (owner.boot !== self.boot) return "dead";
  if (owner.namespace !== self.namespace) return "unknown";
  if (!isRunning(owner.pid)) return "dead";
  const startedAt = startOf(owner.pid);
  return startedAt === "" || owner.startedAt === "" || startedAt === owner.startedAt ? "alive" : "dead";
}

/** Whether a process with this number exists on this host. */
export function isRunning(processId: number): boolean {
  try {
    kill(processId, 0);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ESRCH") return false;
    if (errnoOf(error) === "EPERM") return true;
    throw error;
  }
}

/** Field 22 of `/proc/PID/stat`, counted from behind the command name, which may itself hold spaces and brackets. */
function startOf(processId: number): string {
  const text = readOr("", () => readFileSync(`/proc/${processId}/stat`, "utf8"));
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

/** What `/proc` says, or the fallback on systems and for processes that have no such file. */
function readOr(fallback: string, read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return fallback;
  }
}
