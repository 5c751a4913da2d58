import { CacheOpsError, watchManaged, type Context, type Watching } from "@cache-ops/shared";

/** What keeps registers up to date. */
export interface Registers {
  close(): Promise<void>;
}

/**
 * Keeps the registers of all managed caches up to date from now on, each on its own: what appears is registered, and
 * what the register says is compared with the disk. What cannot be done is logged, and the rest goes on. `onChange` is
 * called after everything that may have changed a register.
 */
export function keepRegisters(context: Context, onChange: () => void): Registers {
  const { log, configuration } = context;
  const begin = async (cache: (typeof configuration.managed)[number]): Promise<Watching | undefined> => {
    try {
      return await watchManaged(cache, context, (event) => {
        onChange();
        if (event.type === "reconciled") {
          const { registered, corrected, orphans, unsettled } = event.found;
          const counts = { registered, corrected, forgotten: orphans.length, unsettled: unsettled.length };
          log("register compared with the disk", { cache: cache.name, ...counts });
        } else if (event.type === "registered") log("directory registered", { cache: cache.name, path: event.path });
        else log("register in trouble", { cache: cache.name, code: event.code, error: event.message });
      });
    } catch (error) {
      if (!(error instanceof CacheOpsError)) throw error;
      log("register in trouble", { cache: cache.name, code: error.code, error: error.message });
      return undefined;
    }
  };
  const begun = configuration.managed.map(begin);
  return {
    close: async () => {
      for (const watching of await Promise.all(begun)) await watching?.close();
    },
  };
}
