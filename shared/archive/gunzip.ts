import { once } from "node:events";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";

import type { Extract } from "tar-stream";

/**
 * Unpacks a gzip stream into the reader of a tar, piece by piece; `take` sees each piece first and may throw. Reads the
 * source to its end, also behind the last member, and lets go of it in any case.
 *
 * Throws what `take`, the source or the decompression throws, and an AbortError when the signal is aborted.
 */
export async function gunzipInto(
  source: Readable,
  members: Extract,
  signal: AbortSignal,
  take: (piece: Buffer) => void,
): Promise<void> {
  const gunzip = createGunzip({ chunkSize: 1 << 16 });
  source.on("error", (error) => gunzip.destroy(error));
  const ended = new Promise<void>((resolve) => source.once("end", resolve).once("close", resolve));
  source.pipe(gunzip);
  try {
    for await (const piece of gunzip as AsyncIterable<Buffer>) {
      signal.throwIfAborted();
      take(piece);
      if (!members.write(piece)) await once(members, "drain", { signal });
    }
    members.end(undefined);
    source.resume();
    await ended;
  } catch (error) {
    members.destroy(error instanceof Error ? error : undefined);
    throw error;
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}
