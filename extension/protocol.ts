import type {
  Change,
  Configuration,
  Description,
  Inspection,
  ManagedListing,
  ManagedSurvey,
  MediaAuditSurvey,
  Outcome,
  Problem,
  ProbeCaches,
  Progress,
  QuarantinedRow,
  View,
} from "@cache-ops/shared";

import type { Dashboard, RootFigures } from "./dashboard/figures.ts";

/*
 * What the editor asks of the worker process and what it gets. Lists come in pages, so that neither a message nor the
 * editor's memory grows with the library.
 */

/** What the editor's settings say about the core. Absent: the configuration file's word, else the default. */
export interface CoreSettings {
  /** Directory of the state store; empty: the one every face of this user shares. */
  readonly stateDirectory: string;
  /** File with the configuration that all faces share; empty: the user's own. */
  readonly configurationFile: string;
  /** Properties of the configuration that are set in the editor. */
  readonly configuration: Partial<Configuration>;
}

/** Where the effective settings come from and lead to. */
export interface Places {
  readonly stateDirectory: string;
  readonly configurationFile: string;
  /** What of the file and of the editor's settings is in force. */
  readonly configuration: Configuration;
  /** The variable of the environment that gives the command line the API key of a Jellyfin server, by its name. */
  readonly keyVariables: Readonly<Record<string, string>>;
}

/** An operation's result. */
export interface Result {
  readonly output: Readonly<Record<string, unknown>>;
  readonly outcome: Outcome;
  readonly view: View;
}

export interface RootRow extends RootFigures {
  readonly library: string;
  readonly root: string;
}

export interface SurveySummary {
  /** When the libraries were looked at, in milliseconds since 1970. */
  readonly at: number;
  readonly roots: readonly RootRow[];
}

export type Sort = "stale" | "size" | "age" | "name";

/** Which rows to show, and in which order. Text is looked for in directories and media names. */
export interface Selection {
  readonly problems: readonly Problem[];
  readonly search: string;
  readonly sort: Sort;
}

export interface Page<Row> {
  readonly total: number;
  readonly rows: readonly Row[];
}

/** A directory with a cache, or with something that belongs to one. */
export interface DirectoryRow {
  readonly directory: string;
  /** Its path below the root; `.` is the root itself. */
  readonly label: string;
  /** The cache file; `null` when only leftovers are there. */
  readonly cache: string | null;
  readonly entries: number;
  readonly bytes: number;
  /** When the cache was last written, in milliseconds since 1970. */
  readonly modifiedAt: number | null;
  readonly stale: number;
  readonly byProblem: Readonly<Record<string, number>>;
  /** What is wrong with files in it as a whole. */
  readonly files: readonly FileProblem[];
}

export interface FileProblem {
  readonly path: string;
  readonly problem: Problem;
  readonly rule: string;
  readonly observed: string | number | null;
}

/** A file of media-audit's cache: one entry, or a leftover. */
export interface MediaAuditRow {
  readonly path: string;
  /** Last component of the media's path as the entry records it; `null`: it says nothing that could be read. */
  readonly name: string | null;
  /** Absolute path of the media, as far as that can be told. */
  readonly media: string | null;
  readonly problem: Problem | null;
  readonly rule: string | null;
  readonly observed: string | number | null;
  readonly bytes: number;
  /** When it was made, as it says itself, in milliseconds since 1970. */
  readonly writtenAt: number | null;
}

/** What a cache of media-audit adds up to. */
export interface MediaAuditFigures extends Pick<MediaAuditSurvey, "state" | "detail"> {
  readonly entries: number;
  readonly bytes: number;
  readonly stale: number;
  readonly byProblem: Readonly<Record<string, number>>;
  /** Places in it that could not be looked at. */
  readonly troubles: number;
}

export interface MediaAuditPage extends Page<MediaAuditRow> {
  readonly figures: MediaAuditFigures;
}

/** What the central cache of probe results adds up to; `trouble` says why it cannot be used. */
export interface ProbeCacheFigures {
  readonly entries: number;
  readonly failedEntries: number;
  readonly bytes: number;
  readonly requests: number;
  /** Hits of all requests, 0 to 1; `null`: none yet. */
  readonly hitRate: number | null;
  readonly probes: number;
  readonly failures: number;
  readonly byOrigin: Readonly<Record<string, number>>;
}

/** What ffprobe says of a media file, or that it can make nothing of it, and why. `null`: the file is not there. */
export type ProbedMedia =
  | { readonly state: "probed"; readonly media: Description; readonly bytes: number | null }
  | { readonly state: "failed"; readonly message: string }
  | null;

/** A managed cache with its settings and what it holds. */
export interface ManagedFigures extends ManagedSurvey {
  readonly cache: Configuration["managed"][number];
}

export type ManagedRow = ManagedListing["rows"][number];
export type { QuarantinedRow };

/** Directories of a managed cache, the longest unused first. `total`: all that are registered. */
export interface ManagedPage extends Page<ManagedRow> {
  readonly figures: ManagedFigures;
  /** What would go now, unless it is in use. */
  readonly due: ManagedListing["due"];
  readonly warnings: ManagedListing["warnings"];
}

/** What a plan does in one directory. */
export interface PlanGroup {
  /**
   * The cache file; for media-audit's, the directory that its files lie in; for a managed cache, its root; for what lies
   * in containers or on a server, words that name it.
   */
  readonly cache: string;
  readonly label: string;
  /** Numbers of its changes. */
  readonly ids: readonly number[];
  /** Bytes freed there at once. */
  readonly bytes: number;
  /** Bytes of directories that go to the quarantine, and are freed later. */
  readonly quarantinedBytes: number;
  /** What kind of cache it is. What is freed on a Jellyfin server is not known. */
  readonly kind: Change["kind"];
}

export interface PlanOverview {
  readonly plan: string;
  readonly digest: string;
  readonly operation: string;
  readonly status: "ready" | "empty" | "blocked";
  readonly expiresAt: string;
  readonly acknowledge: string;
  readonly entries: number;
  readonly caches: number;
  readonly bytes: number;
  /** Bytes of directories that go to the quarantine, and are freed later. */
  readonly quarantinedBytes: number;
  /** Directories that go for good: no undo brings them back. */
  readonly forGood: { readonly directories: number; readonly bytes: number };
  /** Whether something in a container or on a server goes, of which nothing can be put back. */
  readonly losesRemote: boolean;
  readonly groups: Page<PlanGroup>;
  readonly skipped: readonly LeftAlone[];
  readonly blocked: readonly Blocked[];
  readonly troubles: readonly { readonly path: string; readonly message: string }[];
}

/** What one rule left alone: how many, and some of them by name with what was observed. */
export interface LeftAlone {
  readonly rule: string;
  readonly count: number;
  readonly examples: readonly { readonly what: string; readonly observed: string | number | null }[];
}

export interface Blocked {
  readonly guard: string;
  readonly path: string;
  readonly message: string;
  readonly observed: string | number;
  readonly advice: string;
  readonly override: string | null;
}

/** A file a plan changes, for a diff. */
export interface PlannedFile {
  readonly file: string;
  /** Numbers of the changes that it carries out. */
  readonly changes: readonly number[];
  readonly isNew: boolean;
  readonly isRemoved: boolean;
}

/** The requests by name: what is sent, what is answered. */
export interface Requests {
  configure: [CoreSettings, Places];
  /** Where things lie and which configuration is in force. */
  places: [Record<string, never>, Places];
  invoke: [{ operation: string; input: unknown }, Result];
  /** The reason why the value of an input property is not valid, or `null`. */
  validate: [{ operation: string; property: string; value: unknown }, string | null];
  survey: [{ refresh: boolean }, SurveySummary];
  /** Looks at these directories again. */
  resurvey: [{ directories: readonly string[] }, SurveySummary];
  directories: [{ root: string; selection: Selection; offset: number; limit: number }, Page<DirectoryRow>];
  /** The rows of these directories as they are known, of those that are. */
  directory: [{ directory: string }, DirectoryRow | null];
  /** The caches of probe results that there are. Looks into none. */
  probeCaches: [Record<string, never>, ProbeCaches];
  /** A cache of media-audit, by its directory. It is looked at once, and again with `refresh`. */
  mediaAudit: [
    { place: string; refresh: boolean; selection: Selection; offset: number; limit: number },
    MediaAuditPage,
  ];
  /** The central cache of probe results; `null` while there is none. */
  probeCache: [Record<string, never>, ProbeCacheFigures | { readonly trouble: string } | null];
  /** What ffprobe says of one media file (absolute path): from the central cache, or probed now and kept there. */
  probedMedia: [{ path: string }, ProbedMedia];
  /** A managed cache by its name, with some of its directories. */
  managed: [{ cache: string; offset: number; limit: number }, ManagedPage];
  /** What was evicted from it and can still be put back, the longest there first. */
  quarantined: [{ cache: string }, readonly QuarantinedRow[]];
  inspect: [{ cache: string; text?: string }, Inspection];
  plan: [{ plan: string; offset: number; limit: number }, PlanOverview];
  changes: [{ plan: string; ids: readonly number[] }, readonly Change[]];
  /** The files a plan writes or removes; with `change` only those that this change is about. */
  files: [{ plan: string; limit: number; change?: number }, Page<PlannedFile>];
  /** The text of a file before or after a plan; `null`: there is no such file. */
  preview: [{ plan: string; file: string; side: "before" | "after" }, string | null];
  /** The directories whose caches a run changed, below the roots as they were given. */
  affected: [{ run: string }, readonly string[]];
  dashboard: [Record<string, never>, Dashboard];
}

/** What the worker asks the editor, by name: what is sent, what is answered. */
export interface Questions {
  /** The API key that the secret storage has for the Jellyfin server at this address, or `null`. A secret. */
  jellyfinKey: [{ url: string }, string | null];
}

/** Sent while a request is worked on. */
export type { Progress };
