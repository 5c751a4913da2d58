import { secretFrom } from "./secret.ts";

/** What an object store asks for to let us in. A secret: never shown or stored. */
export interface ObjectStorageKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/**
 * The keys of the environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, or the files that
 * these names with `_FILE` name. `undefined` when there are none: Amazon's client then looks where it does by itself.
 */
export function objectStorageKeysFrom(
  env: Readonly<Record<string, string | undefined>>,
): ObjectStorageKeys | undefined {
  const accessKeyId = secretFrom(env, "AWS_ACCESS_KEY_ID");
  const secretAccessKey = secretFrom(env, "AWS_SECRET_ACCESS_KEY");
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  const sessionToken = secretFrom(env, "AWS_SESSION_TOKEN");
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}
