import { CacheOpsError, codeOfErrno, errnoOf } from "../../errors.ts";
import { printable } from "../../printable.ts";

/** Whether an engine's answer was 500: Podman's to a program in a container that does not run. */
export function isServerError(error: unknown): boolean {
  const cause = error instanceof CacheOpsError ? error.cause : undefined;
  return cause instanceof Error && "statusCode" in cause && cause.statusCode === 500;
}

/** What a question to an engine was asked with. */
interface Asked {
  readonly endpoint: string;
  readonly signal: AbortSignal;
  readonly limitSeconds: number;
}

/** An answer of the engine that says no, or no answer, as an error of ours. Bugs pass through unchanged. */
export function engineError(error: unknown, what: string, { endpoint, signal, limitSeconds }: Asked): unknown {
  if (error instanceof CacheOpsError || !(error instanceof Error)) return error;
  const where = `container engine at ${printable(endpoint)}`;
  if (signal.aborted) return new CacheOpsError("interrupted", "stopped before the work was done", { cause: error });
  if (error.name === "AbortError" || error.name === "TimeoutError") {
    return new CacheOpsError("unavailable", `${where}: no answer about ${printable(what)} within ${limitSeconds} s`, {
      hint: "Check that the engine is well (docker info) and try again.",
    });
  }
  const status = "statusCode" in error ? error.statusCode : undefined;
  if (typeof status === "number") return answered(status, error, what, where);
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  const code = codeOfErrno(errno);
  return new CacheOpsError(code, `${where}: ${errno}`, {
    hint:
      code === "forbidden"
        ? "Give the user that runs cache-ops access to the socket (group docker)."
        : "Start Docker or Podman, or set the socket of the container engine.",
    cause: error,
  });
}

function answered(status: number, error: Error, what: string, where: string): CacheOpsError {
  const said = printable(error.message.replace(/^\(HTTP code \d+\) /, "").trim()).slice(0, 300);
  if (status === 404) {
    return new CacheOpsError("not_found", `${where} has no ${printable(what)}: ${said}`, { hint: "Look again." });
  }
  if (status === 409) {
    return new CacheOpsError("blocked", `${printable(what)}: ${said}`, {
      hint: "Start the container, or let it go on, and try again.",
    });
  }
  const code = status === 401 || status === 403 ? "forbidden" : "unavailable";
  return new CacheOpsError(code, `${where} answers ${status} about ${printable(what)}: ${said}`, {
    hint: "Check the engine's log and try again.",
    cause: error,
  });
}
