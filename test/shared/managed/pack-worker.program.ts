import { createReadStream, createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";

import { openObjectStore } from "../../../shared/caches/managed/object-storage.ts";
import { packTree } from "../../../shared/caches/managed/pack.ts";
import { ObjectStorage } from "../../../shared/caches/managed/settings.ts";
import { makeTreeWriter } from "../../../shared/caches/managed/tree-writer.ts";
import { seeTree } from "../../../shared/caches/managed/tree.ts";
import { readPack } from "../../../shared/caches/managed/unpack.ts";
import { Configuration, parse, type Context } from "../../../shared/index.ts";
import { peakBytes } from "../../support/peak.ts";

/*
 * A process that does one large piece of work and says how much memory that took at most: `pack-worker pack
 * DIRECTORY FILE STAGE`, or `… store SETTINGS KEY MEGABYTES`. One line of JSON comes back.
 */

const context: Pick<Context, "signal" | "progress" | "configuration" | "objectStorageKeys"> = {
  signal: new AbortController().signal,
  progress: () => undefined,
  configuration: parse(Configuration, {}, "configuration"),
  objectStorageKeys: { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" },
};

const [what, first = "", second = "", third = ""] = process.argv.slice(2);
let size = 0;
if (what === "pack") {
  const whole = context as Context;
  const seen = (await seeTree(first, whole))?.content.sha256 ?? "";
  const packed = await packTree({ directory: first, seen, cache: "", path: "" }, whole, (chunks) =>
    pipeline(chunks, createWriteStream(second)),
  );
  await readPack(createReadStream(second), packed, context, makeTreeWriter(third));
  size = packed.content.size;
} else {
  const store = await openObjectStore(parse(ObjectStorage, JSON.parse(first), "settings"), context);
  const megabytes = Number(third);
  const chunk = Buffer.alloc(1 << 20, "x");
  await store.put(
    second,
    (async function* () {
      for (let sent = 0; sent < megabytes; sent += 1) yield chunk;
    })(),
    megabytes << 20,
  );
  for await (const part of await store.get(second)) size += part.length;
  store.close();
}
console.log(JSON.stringify({ size, peakBytes: peakBytes() }));
