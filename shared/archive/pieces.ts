import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { lstat, open } from "node:fs/promises";

import { attributesOf, type SeenFile } from "../file.ts";
import { throwIfAborted, withTimeLimit } from "../time-limit.ts";

const PIECE_BYTES = 256 * 1024;

/**
 * The bytes of a file in pieces: memory stays bounded, however large it is. For files that nobody else writes: whether
 * it changed meanwhile is not looked at. Throws the system's error, ETIMEDOUT when a piece does not come in time.
 */
export async function* piecesOf(path: string, timeLimitSeconds: number): AsyncGenerator<Buffer> {
  const handle = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    for (;;) {
      const reading = () => handle.read(Buffer.allocUnsafe(PIECE_BYTES), 0, PIECE_BYTES, null);
      const { bytesRead, buffer } = await withTimeLimit(reading, timeLimitSeconds, path);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** Hash, size and attributes of such a file, whose bytes are held nowhere. Throws as {@link piecesOf} does. */
export async function seeInPieces(
  path: string,
  timeLimitSeconds: number,
  signal: AbortSignal,
): Promise<Pick<SeenFile, "content" | "attributes">> {
  const attributes = attributesOf(await lstat(path, { bigint: true }));
  const hash = createHash("sha256");
  let size = 0;
  for await (const piece of piecesOf(path, timeLimitSeconds)) {
    throwIfAborted(signal);
    hash.update(piece);
    size += piece.length;
  }
  return { content: { sha256: hash.digest("hex"), size }, attributes };
}
