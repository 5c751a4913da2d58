import { CacheOpsError, type Context } from "@cache-ops/shared";

import { directoryPath } from "./directory-path.ts";
import { HTTP_STATUS, answerJson, answerRefusal } from "./http-answer.ts";
import { bodyOfDirectory, bodyOfStats, type Figures, type Registered } from "./managed-answers.ts";
import { cleanUp, registeredInfo, removeDirectory, type Directory } from "./managed-removal.ts";
import { assertMayChange, readBody, type RestOptions } from "./rest.ts";
import type { Call, Methods, Route } from "./route.ts";
import { makeRunner, type Runner } from "./runner.ts";
import type { Work } from "./work.ts";

/** What the routes of managed caches need beside the registry. */
export interface CacheRouteOptions extends RestOptions {
  readonly figures: () => Promise<Figures>;
}

const DIRECTORIES = "/cache/directories";
const REGISTER = "/cache/register/";

/** The addresses under `/cache` that name no directory. */
export function cacheRoutes(options: CacheRouteOptions, work: Work): Map<string, Methods> {
  const runner = makeRunner(options.operations, work);
  const control = (action: "start" | "stop"): Route => ({
    answer: bodiless(async ({ query, context }) => {
      only(query, []);
      assertMayChange(runner.named("schedule"), options);
      const output = await runner.run("schedule", { action }, context);
      return answerJson(HTTP_STATUS[runner.named("schedule").outcome(output)], {
        message: `Cache scheduler ${action === "start" ? "started" : "stopped"}`,
        ...output,
      });
    }),
  });
  return new Map<string, Methods>([
    [
      "/cache/stats",
      {
        GET: {
          answer: async ({ query }) =>
            answerJson(200, bodyOfStats(await options.figures(), only(query, ["cache"]).get("cache"))),
        },
      },
    ],
    [
      DIRECTORIES,
      {
        GET: {
          answer: async ({ query, context }) => {
            const { cache } = cacheOf(only(query, ["cache", "limit", "offset"]), context);
            const [limit, offset] = [whole(query, "limit", 1, 1000) ?? 100, whole(query, "offset", 0, 1e9) ?? 0];
            const output = await runner.run("directories", { ...cache, limit, offset }, context);
            const rows = output["directories"] as readonly Registered[];
            const directories = rows.map((row) => bodyOfDirectory(row, undefined, context.now()));
            return answerJson(200, { directories, count: directories.length });
          },
        },
      },
    ],
    [
      "/cache/cleanup",
      {
        POST: {
          answer: bodiless(({ query, context }) => {
            assertMayChange(runner.named("apply"), options);
            return cleanUp(cacheOf(only(query, ["cache"]), context).name, context, runner, work);
          }),
        },
      },
    ],
    ["/cache/start-scheduler", { POST: control("start") }],
    ["/cache/stop-scheduler", { POST: control("stop") }],
  ]);
}

/**
 * What answers at an address that names a directory: `/cache/directories/{path}`, the same with `/register` or
 * `/touch`, `/cache/register/{path}`. `undefined` for any other address.
 */
export function directoryRoutes(options: CacheRouteOptions, work: Work): (path: string) => Methods | undefined {
  const runner = makeRunner(options.operations, work);
  const about = (
    encoded: string,
    answer: (directory: Directory, call: Call) => Promise<Response>,
    parameters: readonly string[] = [],
  ): Route => ({
    answer: bodiless(async (call) => {
      const path = directoryPath(encoded);
      const { name } = cacheOf(only(call.query, ["cache", ...parameters]), call.context);
      return answer({ cache: name, path }, call);
    }),
  });
  const verb = (encoded: string, name: "register" | "touch", done: string): Route =>
    about(encoded, async (directory, { context }) => {
      assertMayChange(runner.named(name), options);
      const output = await runner.run(name, directory, context);
      return answerJson(HTTP_STATUS[runner.named(name).outcome(output)], {
        message: `Directory ${directory.path} ${done} successfully`,
        ...output,
      });
    });
  return (address) => {
    if (address.startsWith(REGISTER)) {
      return { POST: verb(address.slice(REGISTER.length), "register", "registered") };
    }
    if (!address.startsWith(`${DIRECTORIES}/`)) return undefined;
    const encoded = address.slice(DIRECTORIES.length + 1);
    const [, before = "", last = ""] = /^(.*)\/(register|touch)$/.exec(encoded) ?? [];
    return {
      GET: about(encoded, async (directory, { context }) => {
        const { entry, disk } = await registeredInfo(directory, context, runner);
        return answerJson(200, bodyOfDirectory(entry, disk, context.now()));
      }),
      DELETE: about(
        encoded,
        async (directory, { query, context }) => {
          const removesFiles = truth(query, "remove_files");
          assertMayChange(runner.named(removesFiles ? "apply" : "forget"), options);
          return removesFiles
            ? removeDirectory(directory, context, runner)
            : forgetDirectory(directory, context, runner);
        },
        ["remove_files"],
      ),
      ...(last === "register" ? { POST: verb(before, "register", "registered") } : {}),
      ...(last === "touch" ? { POST: verb(before, "touch", "touched") } : {}),
    };
  };
}

async function forgetDirectory(directory: Directory, context: Context, { run, named }: Runner): Promise<Response> {
  const output = await run("forget", directory, context);
  return answerJson(HTTP_STATUS[named("forget").outcome(output)], {
    message: `Directory ${directory.path} removed from cache successfully`,
    ...output,
  });
}

/** These routes say everything in their address. */
function bodiless(answer: (call: Call) => Promise<Response>): Route["answer"] {
  return async (call) => {
    const body = call.request.method === "GET" ? { text: "" } : await readBody(call.request);
    if ("refusal" in body) return answerRefusal(body.refusal);
    if (/^\s*(\{\s*\})?\s*$/.test(body.text)) return answer(call);
    return answerRefusal({ status: 400, message: "this address takes no body" });
  };
}

/** The managed cache a call is about: the one it names, or the only one there is. */
function cacheOf(query: URLSearchParams, { configuration }: Context) {
  const names = configuration.managed.map(({ name }) => name);
  const given = query.get("cache");
  const name = given ?? (names.length === 1 ? names[0] : undefined);
  if (name !== undefined && names.includes(name)) return { name, cache: { cache: name } };
  const what = given === null ? "several managed caches are configured" : "there is no managed cache of this name";
  throw new CacheOpsError(
    given === null && names.length > 1 ? "invalid_input" : "not_found",
    names.length === 0 ? "no managed cache is configured" : what,
    {
      hint: names.length === 0 ? "Configure one under managed." : `Add ?cache= and one of: ${names.join(", ")}.`,
    },
  );
}

/** The parameters of a call, when it has none but these, each once. Throws `invalid_input`. */
function only(query: URLSearchParams, names: readonly string[]): URLSearchParams {
  for (const name of query.keys()) {
    if (names.includes(name) && query.getAll(name).length === 1) continue;
    throw new CacheOpsError("invalid_input", `parameter ${JSON.stringify(name.slice(0, 80))} is unknown or repeated`, {
      hint: `Parameters: ${names.join(", ")}.`,
    });
  }
  return query;
}

function whole(query: URLSearchParams, name: string, least: number, most: number): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new CacheOpsError("invalid_input", `${name} must be a whole number from ${least} to ${most}`, {
    hint: "Correct this value and try again.",
  });
}

function truth(query: URLSearchParams, name: string): boolean {
  const text = query.get(name) ?? "false";
  if (text === "true" || text === "false") return text === "true";
  throw new CacheOpsError("invalid_input", `${name} must be true or false`, { hint: "Nothing was changed." });
}
