/** A directory of a managed cache as the register has it. All times are in milliseconds since 1970. */
export interface ManagedEntry {
  /** Relative to the root, with `/` between names; never empty, `.` or leading outside (see `member-path.ts`). */
  readonly path: string;
  /** Size of its files as last measured. */
  readonly bytes: number;
  readonly files: number;
  readonly registeredAt: number;
  readonly accessedAt: number;
  /** When it expires unless it is used before; `null`: never. */
  readonly expiresAt: number | null;
  /** How often it was used. */
  readonly accesses: number;
  readonly isPinned: boolean;
  /** How long getting its content back would take, if its registration said so. */
  readonly refillSeconds: number | null;
}

/** What a registration says; whatever is left out stays as it is, or takes its default for a new directory. */
export interface Registration {
  readonly path: string;
  readonly bytes: number;
  readonly files: number;
  readonly refillSeconds?: number | undefined;
  /** When it was last used, if the file system says so: only ever moves an entry's access forward. */
  readonly accessedAt?: number | undefined;
}

/**
 * What a policy needs to know of every entry, as columns: a million directories fit into a few dozen megabytes.
 * `NaN` stands for "none" in `expiresAt` and `refillSeconds`.
 */
export interface Candidates {
  readonly count: number;
  readonly bytes: Float64Array;
  readonly registeredAt: Float64Array;
  readonly accessedAt: Float64Array;
  readonly expiresAt: Float64Array;
  readonly accesses: Float64Array;
  readonly refillSeconds: Float64Array;
  /** 1 where the entry is pinned. */
  readonly pinned: Uint8Array;
  pathOf(index: number): string;
}

/** Figures of a register. Bytes and directories are sums over its entries, never counters that could drift. */
export interface ManagedTotals {
  readonly directories: number;
  readonly bytes: number;
  readonly pinned: number;
  /** Uses of a directory that was there, and asks for one that was not. */
  readonly hits: number;
  readonly misses: number;
  readonly evictions: number;
  readonly reclaimedBytes: number;
}

/** The exclusive right to remove one directory. It ends by itself; whoever holds it checks before the decisive step. */
export interface Lease {
  /** Throws `locked` when the lease was lost meanwhile. */
  assertHeld(): Promise<void>;
  release(): Promise<void>;
}

/** One register of managed directories. Everything in it survives kill -9 once a call has returned. */
export interface ManagedStore {
  /** `redis` or `embedded`, for messages. */
  readonly name: string;
  get(path: string): Promise<ManagedEntry | undefined>;
  /** Registers directories or corrects what is known of them. Registering again changes nothing but what is said. */
  register(registrations: readonly Registration[], at: number): Promise<void>;
  /** Notes a use, and extends the TTL; `false` (and a miss) when the directory is not registered. */
  touch(path: string, at: number): Promise<boolean>;
  /** `false` when the directory is not registered. */
  setPinned(path: string, isPinned: boolean): Promise<boolean>;
  /** Forgets directories; says how many were registered. */
  forget(paths: readonly string[]): Promise<number>;
  /** Entries in the order of their last access, the longest unused first. */
  list(range: {
    readonly offset: number;
    readonly limit: number;
    readonly newestFirst: boolean;
  }): Promise<readonly ManagedEntry[]>;
  candidates(): Promise<Candidates>;
  totals(): Promise<ManagedTotals>;
  /** Adds to the counters of what was evicted. */
  countEvictions(directories: number, bytes: number): Promise<void>;
  /** `undefined` while somebody else holds it. */
  lease(path: string, seconds: number): Promise<Lease | undefined>;
  /** What another program does that is dangerous beside this one, in words for the operator; usually nothing. */
  warnings(): Promise<readonly string[]>;
  close(): Promise<void>;
}
