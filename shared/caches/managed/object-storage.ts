import { Readable } from "node:stream";

import type { S3Client } from "@aws-sdk/client-s3";

import type { Context } from "../../context.ts";
import { CacheOpsError, errnoOf } from "../../errors.ts";
import { printable } from "../../printable.ts";
import { answerWithin, throwIfAborted } from "../../time-limit.ts";
import { parseDuration } from "../../units.ts";
import type { ObjectStorage } from "./settings.ts";

/**
 * A bucket of an object store. Every call throws `forbidden` when the keys are not let in, `not_found` when there is no
 * such bucket or object, `unavailable` when the store does not answer in time or says that it failed, `interrupted`.
 */
export interface ObjectStore {
  /**
   * Stores everything that `content` yields under a key, a part at a time; `bytes` says how many there may be. That it
   * returns says that the store took it, not yet that it has it: read it back.
   */
  put(key: string, content: AsyncIterable<Buffer>, bytes: number): Promise<void>;
  /** Size of an object in bytes; `undefined` when there is none. */
  head(key: string): Promise<number | undefined>;
  get(key: string): Promise<AsyncIterable<Uint8Array>>;
  /** Objects whose keys begin with these letters. */
  list(prefix: string): AsyncGenerator<{ readonly key: string; readonly size: number }>;
  /** Removes an object; that there is none is fine. */
  delete(key: string): Promise<void>;
  close(): void;
}

/** Parts are at least this large, and there are at most so many of an object: the rules of S3. */
const MIN_PART_BYTES = 8 * 1024 * 1024;
const MAX_PARTS = 9000;
/** Parts on their way at a time: with the one being filled this bounds the memory that an upload takes. */
const PARTS_AT_ONCE = 2;

/** Opens a bucket that speaks S3. Nothing is asked yet. It must be closed. */
export async function openObjectStore(
  { endpoint, region, bucket }: ObjectStorage,
  { signal, configuration, objectStorageKeys }: Pick<Context, "signal" | "configuration" | "objectStorageKeys">,
): Promise<ObjectStore> {
  // A CommonJS module has but a default export once it is bundled.
  const s3 = (await import("@aws-sdk/client-s3")).default;
  const limit = parseDuration(configuration.timeLimit);
  const client = new s3.S3Client({
    region,
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(objectStorageKeys === undefined ? {} : { credentials: objectStorageKeys }),
    maxAttempts: 3,
    // Of silence, not for a whole part: that may take long on a slow line.
    requestHandler: { connectionTimeout: limit * 1000, socketTimeout: limit * 1000 },
    // Stores other than Amazon's take its newest checksums for content; what we store is read back and hashed anyway.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  const where = { bucket, endpoint: endpoint ?? `S3 (${region})` };
  const ask = async <T>(work: () => Promise<T>): Promise<T> => {
    throwIfAborted(signal);
    try {
      return await work();
    } catch (error) {
      throwIfAborted(signal);
      throw storeError(error, where);
    }
  };
  const options = { abortSignal: signal };
  return {
    put: (key, content, bytes) => ask(() => upload(client, { bucket, key, content, bytes }, signal)),
    async head(key) {
      try {
        const found = await ask(() => client.send(new s3.HeadObjectCommand({ Bucket: bucket, Key: key }), options));
        return found.ContentLength ?? 0;
      } catch (error) {
        // The answer to HEAD has no body to say whether it is the bucket that is missing; asking for more does.
        if (error instanceof CacheOpsError && error.code === "not_found") return undefined;
        throw error;
      }
    },
    async get(key) {
      const { Body: body } = await ask(() =>
        client.send(new s3.GetObjectCommand({ Bucket: bucket, Key: key }), options),
      );
      if (!(body instanceof Readable)) throw storeError(new Error("no content"), where);
      return patiently(body, limit, where, signal);
    },
    async *list(prefix) {
      for (let token: string | undefined, isFirst = true; isFirst || token !== undefined; isFirst = false) {
        const page = await ask(() =>
          client.send(
            new s3.ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token }),
            options,
          ),
        );
        for (const { Key: key, Size: size } of page.Contents ?? [])
          if (key !== undefined) yield { key, size: size ?? 0 };
        token = page.NextContinuationToken;
      }
    },
    async delete(key) {
      await ask(() => client.send(new s3.DeleteObjectCommand({ Bucket: bucket, Key: key }), options));
    },
    close: () => client.destroy(),
  };
}

/** Opens a bucket for `work` and closes it. */
export async function withObjectStore<T>(
  settings: ObjectStorage,
  context: Context,
  work: (store: ObjectStore) => Promise<T>,
): Promise<T> {
  const store = await openObjectStore(settings, context);
  try {
    return await work(store);
  } finally {
    store.close();
  }
}

interface UploadWish {
  readonly bucket: string;
  readonly key: string;
  readonly content: AsyncIterable<Buffer>;
  readonly bytes: number;
}

async function upload(client: S3Client, { bucket, key, content, bytes }: UploadWish, signal: AbortSignal) {
  const { Upload } = (await import("@aws-sdk/lib-storage")).default;
  const stop = new AbortController();
  const body = Readable.from(content, { objectMode: false, highWaterMark: 1 << 16 });
  const sending = new Upload({
    client,
    params: { Bucket: bucket, Key: key, Body: body, ContentType: "application/gzip" },
    queueSize: PARTS_AT_ONCE,
    partSize: Math.max(MIN_PART_BYTES, Math.ceil(bytes / MAX_PARTS)),
    abortController: stop,
  });
  const abort = () => stop.abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    await sending.done();
  } finally {
    signal.removeEventListener("abort", abort);
    body.destroy();
  }
}

/** What a download yields; one that brings nothing for too long fails instead of waiting for ever. */
async function* patiently(
  body: Readable,
  limitSeconds: number,
  where: Where,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const chunks = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  try {
    for (;;) {
      throwIfAborted(signal);
      const { done, value } = await answerWithin(chunks.next(), limitSeconds, where.endpoint);
      if (done === true) return;
      yield value;
    }
  } catch (error) {
    throw storeError(error, where);
  } finally {
    body.destroy();
  }
}

interface Where {
  readonly bucket: string;
  readonly endpoint: string;
}

/** What a client of S3 throws. */
interface ServiceError extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** An error of the store in our words. Its own message is not shown when it is about keys. */
function storeError(error: unknown, { bucket, endpoint }: Where): unknown {
  if (error instanceof CacheOpsError || !(error instanceof Error)) return error;
  const status = (error as ServiceError).$metadata?.httpStatusCode;
  const shown = printable(endpoint);
  if (error.name === "CredentialsProviderError" || status === 401 || status === 403) {
    return new CacheOpsError("forbidden", `the object store ${shown} does not let us into ${bucket} (${error.name})`, {
      hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or …_FILE) to keys that may read, write and delete there.",
      cause: error,
    });
  }
  if (status === 404) {
    return new CacheOpsError("not_found", `${bucket} at ${shown} does not have it (${error.name})`, {
      hint: "Check the name of the bucket in the configuration, and whether somebody removed the object.",
      cause: error,
    });
  }
  // A mistake of ours has neither.
  if (status === undefined && errnoOf(error) === undefined && !NETWORK_ERRORS.has(error.name)) return error;
  const what = printable(error.message).slice(0, 200);
  return new CacheOpsError("unavailable", `the object store ${shown} cannot be used: ${what}`, {
    hint: "Check that it runs and can be reached, then try again.",
    cause: error,
  });
}

const NETWORK_ERRORS: ReadonlySet<string> = new Set(["TimeoutError", "AbortError", "NetworkingError", "Error"]);
