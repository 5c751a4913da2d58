import { constants } from "node:os";

/** What went wrong, in one word that every face maps to its own status (CLI exit code, HTTP status, MCP tool error). */
export type ErrorCode =
  | "invalid_input"
  | "not_found"
  | "locked"
  | "stale_plan"
  | "expired_plan"
  | "corrupt"
  | "unavailable"
  | "blocked"
  | "forbidden"
  | "interrupted"
  | "internal";

/** What an error may say beside its message. */
export interface ErrorDetails {
  /** What the reader should do next, as one sentence. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/**
 * The one error class of the product. Anything else that is thrown is a bug of ours.
 *
 * The message says what was wrong and where; the hint says what to do next.
 */
export class CacheOpsError extends Error {
  override readonly name = "CacheOpsError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
  }
}

/** What happened and, where that is known, what to do, as one text. */
export function withHint({ message, hint }: Pick<CacheOpsError, "message" | "hint">): string {
  return hint === undefined ? message : `${message}. ${hint}`;
}

/** The errno name (`ENOENT`, `EIO`, …) of a system error, or `undefined` when it is none. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  if (typeof error.code !== "string") return undefined;
  const [, number] = /^Unknown system error -(\d+)$/.exec(error.code) ?? [];
  return number === undefined ? error.code : nameOfErrno(Number(number));
}

/** What libuv has no name for: ESTALE of shares and EDQUOT of quotas, among others. */
function nameOfErrno(number: number): string {
  return Object.entries(constants.errno).find(([, known]) => known === number)?.[0] ?? `E${number}`;
}

const FORBIDDEN = new Set(["EACCES", "EPERM", "EROFS"]);

/** The code under which a failed system call is reported: `forbidden` where rights are missing, else `unavailable`. */
export function codeOfErrno(errno: string | undefined): "forbidden" | "unavailable" {
  return errno !== undefined && FORBIDDEN.has(errno) ? "forbidden" : "unavailable";
}

/** Turns a failed system call into a {@link CacheOpsError}; errors of ours and bugs pass through unchanged. */
export function systemError(error: unknown, what: string): unknown {
  const errno = errnoOf(error);
  if (error instanceof CacheOpsError || errno === undefined || !/^E[A-Z0-9]+$/.test(errno)) return error;
  return new CacheOpsError(codeOfErrno(errno), `${what}: ${errno}`, { hint: ERRNO_HINTS[errno], cause: error });
}

/** Advice for the errors an operator meets, by errno name. */
export const ERRNO_HINTS: Readonly<Record<string, string>> = {
  EACCES: "Give the user that runs cache-ops read and write access, or run it as the owner of the files.",
  EPERM: "Run cache-ops as the owner of the files.",
  EROFS: "The filesystem is mounted read-only; mount it read-write and try again.",
  ENOSPC: "The disk is full; free some space and try again. Nothing was lost.",
  EDQUOT: "The disk quota is used up; free some space and try again. Nothing was lost.",
  EIO: "The disk reported an error; check it (dmesg, smartctl) before you try again.",
  ESTALE: "The network share lost the file; remount it and try again.",
  ETIMEDOUT: "The storage did not answer in time; check the mount and the network.",
  ENOENT: "Part of this path does not exist; check it and try again.",
  ENOTDIR: "Part of this path is not a directory; check it and try again.",
  EISDIR: "This is a directory; give a file.",
  EEXIST: "Something else has this name; move it away, or take another.",
  EMFILE: "Too many files are open; raise the limit (ulimit -n) and try again.",
};

/** The error for what is not as the planner saw it. */
export function stale(message: string): CacheOpsError {
  return new CacheOpsError("stale_plan", message, { hint: "Make a new plan." });
}
