import assert from "node:assert/strict";

import type { PresenceKind } from "../presence-worker.program.ts";
import { eachCase, type Row } from "../row.ts";
import { startProgram } from "../workers.ts";

const KINDS: readonly PresenceKind[] = ["directory", "probe", "managed", "engine", "jellyfin"];

const ERRORS = [
  "EPERM ENOENT EINTR EIO ENXIO EAGAIN ENOMEM EACCES EFAULT EBUSY ENODEV ENOTDIR EINVAL ENFILE EMFILE",
  "EFBIG EROFS ENAMETOOLONG ELOOP EOVERFLOW EPROTO ENOTCONN ETIMEDOUT ECONNREFUSED ECONNRESET EHOSTUNREACH",
  "ESTALE EDQUOT ENOLCK ENOLINK",
].flatMap((line) => line.split(" "));

/** Of a file these mean that it is gone; of a server nothing does. */
const GONE = new Set(["ENOENT", "ENOTDIR"]);

export const presence: Row = {
  name: "presence",
  what: `${ERRORS.length} errors of every look at a media file, at what a central cache is about, at a managed directory, of every connection to an engine and to a Jellyfin server`,
  required:
    "only ENOENT and ENOTDIR, below a healthy root, of what no directory lists mean that it is gone; everything else keeps it",
  count: ERRORS.length * KINDS.length,
  quick: 10,
  async run(task) {
    const worker = await startProgram("faults/presence-worker");
    try {
      await eachCase(task, async (number) => {
        // In the quick run every kind, and both answers.
        const kind = KINDS[number % KINDS.length] ?? "directory";
        const errno = ERRORS[Math.floor(number / KINDS.length)] ?? "EIO";
        const answer = (await worker.ask({ kind, errno })) as { outcome?: string; error?: string } | undefined;
        if (answer?.error !== undefined) throw new Error(`${errno}, ${kind}: ${answer.error}`);
        // What is in a directory that lists it is not gone, whatever a look at it says.
        const isGone = GONE.has(errno) && kind === "probe";
        assert.equal(answer?.outcome, isGone ? "gone" : "kept", `${errno}, ${kind}`);
        task.count(`${answer?.outcome}, ${kind}`);
      });
    } finally {
      worker.stop();
    }
  },
};
