/** How many things have something in common. Labels come from the caches of others; they are safe to show as text. */
export interface Count {
  readonly label: string;
  readonly count: number;
}

/** What was found at a root of a library. The counts hold only while its state is `healthy`. */
export interface RootFigures {
  readonly state: "healthy" | "missing" | "empty" | "unreadable" | "not_a_directory";
  /** What was found instead, when it is not healthy. */
  readonly detail: string;
  readonly caches: number;
  readonly entries: number;
  readonly bytes: number;
  readonly stale: number;
  readonly byProblem: Readonly<Record<string, number>>;
  /** Places in it that could not be looked at. */
  readonly troubles: number;
}

/** A root of a library, as the page shows it. */
export interface LibraryFigures extends RootFigures {
  readonly library: string;
  /** The directory, as it may be shown. */
  readonly directory: string;
  /** The disk it lies on, in bytes, or why that is not known; `null` when it was not asked. */
  readonly disk: { readonly size: number; readonly free: number } | { readonly trouble: string } | null;
}

/** What the entries say about the media. The lists are those of the operation `stats`, shortened. */
export interface MediaFigures {
  readonly files: number;
  readonly mediaBytes: number;
  readonly hdrFiles: number;
  readonly needsConversion: number;
  readonly inheritedProbe: number;
  readonly videoCodecs: readonly Count[];
  readonly audioCodecs: readonly Count[];
  readonly resolutions: readonly Count[];
  readonly hdrTypes: readonly Count[];
  readonly conversionReasons: readonly Count[];
  /** By the time since the entry was last written, newest first. */
  readonly ages: readonly Count[];
}

/** A line of the operation `history`. */
export interface RunFigures {
  readonly run: string;
  readonly undoes: string | null;
  readonly undoneBy: string | null;
  readonly status: "running" | "interrupted" | "complete" | "partial" | "refused" | "cancelled";
  /** In milliseconds since 1970. */
  readonly startedAt: number;
  readonly entries: number;
  readonly caches: number;
  /** Bytes freed, as measured; negative when files grew, as they do in an undo. */
  readonly reclaimedBytes: number;
  readonly canUndo: boolean;
}

/** The central cache of probe results. */
export interface ProbeFigures {
  readonly entries: number;
  readonly bytes: number;
  readonly requests: number;
  /** Hits of all requests, 0 to 1; `null` before the first request. */
  readonly hitRate: number | null;
}

/** A managed cache, or why nothing is known of it. */
export interface ManagedFigures {
  readonly name: string;
  /** Its root, as it may be shown. */
  readonly directory: string;
  readonly use: ManagedUse | { readonly trouble: string };
}

/** How full a managed cache is, and how it was used. */
export interface ManagedUse {
  readonly directories: number;
  readonly bytes: number;
  /** `null`: there is no quota. */
  readonly maxBytes: number | null;
  /** Shares of the quota: above which directories go, and down to which. */
  readonly highWatermark: number;
  readonly lowWatermark: number;
  readonly quarantined: number;
  readonly freeBytes: number;
  readonly hits: number;
  readonly misses: number;
  readonly evictions: number;
  readonly reclaimedBytes: number;
  readonly daysUntilFull: number | null;
}

/** Everything the dashboard shows. */
export interface Dashboard {
  /** When the libraries were looked at, in milliseconds since 1970. */
  readonly at: number;
  /** Absent until something was probed. */
  readonly probe?: ProbeFigures;
  readonly libraries: readonly LibraryFigures[];
  /** The managed caches; absent when none is configured. */
  readonly managed?: readonly ManagedFigures[];
  /** `null` when no library can be looked at. */
  readonly media: MediaFigures | null;
  /** Cache files by size, smallest class first. */
  readonly cacheSizes: readonly Count[];
  /** Newest first. */
  readonly runs: readonly RunFigures[];
  /** Whether there are older runs than these. */
  readonly hasOlderRuns: boolean;
}
