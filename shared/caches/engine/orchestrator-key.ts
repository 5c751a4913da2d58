import { CacheOpsError } from "../../errors.ts";
import { secretFrom } from "../../secret.ts";

/**
 * The key of the orchestrator's API: `CACHE_OPS_ORCHESTRATOR_KEY`, or the file that `CACHE_OPS_ORCHESTRATOR_KEY_FILE`
 * names; `undefined` when there is none. A secret. Throws `invalid_input`, without the key, for one that no header holds.
 */
export function orchestratorKeyFrom(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const key = secretFrom(env, "CACHE_OPS_ORCHESTRATOR_KEY");
  if (key !== undefined && !/^[\x21-\x7e]+$/.test(key)) {
    throw new CacheOpsError("invalid_input", "CACHE_OPS_ORCHESTRATOR_KEY holds characters that cannot be sent", {
      hint: "Give the key as the orchestrator has it in API_KEY, on one line and without blanks.",
    });
  }
  return key;
}
