import { join } from "node:path";
import { env } from "node:process";

import envPaths from "env-paths";

/** Where state and configuration lie: `CACHE_OPS_STATE_DIR`, `CACHE_OPS_CONFIG`, else the user's own directories. */
export function placesOf(): { readonly stateDirectory: string; readonly configFile: string } {
  const paths = envPaths("cache-ops", { suffix: "" });
  return {
    stateDirectory: env["CACHE_OPS_STATE_DIR"] ?? paths.data,
    configFile: env["CACHE_OPS_CONFIG"] ?? join(paths.config, "config.json"),
  };
}
