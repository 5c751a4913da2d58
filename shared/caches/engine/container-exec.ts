import { finished } from "node:stream/promises";
import { Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";

import type Docker from "dockerode";

import { CacheOpsError } from "../../errors.ts";

/** What a program in a container left: its end was seen, its output is whole. */
export interface Ran {
  /** 126 or 127: it could not be run. */
  readonly exitCode: number;
  /** As bytes, one character each (latin1), for names need not be UTF-8. */
  readonly stdout: string;
  /** The beginning. */
  readonly stderr: string;
}

/** How a program in a container is run. */
export interface RunOptions {
  /** Whom it runs as; unset: as the container does. */
  readonly user?: string | undefined;
  readonly limitSeconds?: number | undefined;
}

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const MAX_COMPLAINT_BYTES = 4096;
/** How often the engine is asked for an exit code that it does not know yet. */
const EXIT_ATTEMPTS = 50;

/**
 * Runs `argv` in a container, without any shell. The exit code is asked for after the output has ended, for before that
 * there is none.
 *
 * Throws the client's errors, one of `abortSignal`, and `unavailable` for more output than can be held.
 * A program that is given up goes on in the container; who starts a long one bounds it there.
 */
export async function runIn(
  docker: Docker,
  id: string,
  argv: readonly string[],
  { abortSignal, user }: Pick<RunOptions, "user"> & { readonly abortSignal: AbortSignal },
): Promise<Ran> {
  const exec = await docker.getContainer(id).exec({
    Cmd: [...argv],
    Env: ["LC_ALL=C"],
    // Nobody should take the program itself for a user of the directory that the container works in.
    WorkingDir: "/",
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
    ...(user === undefined || user === "" ? {} : { User: user }),
    abortSignal,
  });
  const stream = await exec.start({ hijack: true, stdin: false, abortSignal });
  const output = collect(MAX_OUTPUT_BYTES);
  const complaint = collect(MAX_COMPLAINT_BYTES);
  // The first error is told by `finished`; one that comes when it is over would end the process.
  stream.on("error", () => undefined);
  try {
    (docker.modem as Demultiplexer).demuxStream(stream, output.sink, complaint.sink);
    await finished(stream, { writable: false, signal: abortSignal });
  } finally {
    stream.destroy();
  }
  if (output.isOver()) {
    throw new CacheOpsError("unavailable", `${argv[0]} in ${id} says more than ${MAX_OUTPUT_BYTES} bytes`, {
      hint: "The directory holds more names than can be looked at.",
    });
  }
  for (let attempt = 1; ; attempt += 1) {
    const { Running, ExitCode } = await exec.inspect({ abortSignal });
    if (!Running && ExitCode !== null) {
      return { exitCode: ExitCode, stdout: output.text(), stderr: complaint.text() };
    }
    if (attempt === EXIT_ATTEMPTS) {
      throw new CacheOpsError("unavailable", `${argv[0]} in ${id} has no exit code`, { hint: "Try again." });
    }
    await delay(20, undefined, { signal: abortSignal });
  }
}

/** The part of the client that its types leave open. */
interface Demultiplexer {
  demuxStream(stream: NodeJS.ReadableStream, stdout: Writable, stderr: Writable): void;
}

function collect(limit: number) {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const sink = new Writable({
    write(chunk: Buffer, _, done) {
      if (bytes < limit) chunks.push(chunk);
      bytes += chunk.length;
      done();
    },
  });
  return { sink, isOver: () => bytes > limit, text: () => Buffer.concat(chunks).toString("latin1") };
}
