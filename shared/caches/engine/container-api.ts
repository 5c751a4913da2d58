import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { getuid, platform } from "node:process";

import type Docker from "dockerode";
import { Type } from "typebox";

import { CacheOpsError } from "../../errors.ts";
import { printable } from "../../printable.ts";
import { matches } from "../../validate.ts";
import { answerWithin } from "./container-limit.ts";
import { runIn, type Ran, type RunOptions } from "./container-exec.ts";
import { engineError, isServerError } from "./container-error.ts";
import {
  readContainer,
  readList,
  selects,
  type ContainerSelector,
  type ContainerSummary,
  type SeenContainer,
} from "./container.ts";

/** A container engine that answers: Docker, or Podman through its API of the same shape. */
export interface ContainerEngine {
  /** Where it was reached. */
  readonly endpoint: string;
  /** Every container that the selector names, stopped and paused ones, too; by name. */
  list(selector: ContainerSelector): Promise<readonly ContainerSummary[]>;
  /** Every container there is. */
  all(): Promise<readonly ContainerSummary[]>;
  /** Throws `not_found` when there is no such container any more. */
  inspect(id: string): Promise<SeenContainer>;
  /** Runs a program in a container and waits for its end. Throws `blocked` where the container is not running. */
  run(id: string, argv: readonly string[], options?: RunOptions): Promise<Ran>;
  /** A directory of a container as tar, with nothing of tmpfs in it. Throws `not_found` for container and path alike. */
  archive(id: string, path: string): Promise<NodeJS.ReadableStream>;
  /** Numbers of a container's processes on the host of the engine. */
  processes(id: string): Promise<readonly number[]>;
}

/** How a container engine is reached and how long it may take. */
export interface EngineOptions {
  /** A socket (a path, `unix://…`, `npipe://…`) or `tcp://host:port`. Unset: the usual places are tried in order. */
  readonly endpoint?: string | undefined;
  readonly signal: AbortSignal;
  /** For each question; programs in containers have their own limit. */
  readonly limitSeconds: number;
}

/**
 * Finds a container engine that answers. Each of its methods throws `unavailable` with what was tried when there is no
 * answer in time, `forbidden` where rights are missing, `interrupted` once the signal is aborted.
 */
export async function openContainerEngine(options: EngineOptions): Promise<ContainerEngine> {
  const places =
    options.endpoint === undefined ? usualPlaces().filter((place) => existsSync(place)) : [options.endpoint];
  const failures: string[] = [];
  for (const place of places) {
    try {
      return await connect(place, options);
    } catch (error) {
      if (!(error instanceof CacheOpsError) || error.code === "interrupted" || places.length === 1) throw error;
      failures.push(error.message);
    }
  }
  const tried = failures.length > 0 ? failures.join("; ") : `there is no socket at ${usualPlaces().join(", ")}`;
  throw new CacheOpsError("unavailable", `no container engine answers: ${tried}`, {
    hint: "Start Docker or Podman (systemctl start docker, podman.socket), or set the socket of the container engine.",
  });
}

/** Where engines put their sockets: Docker, Docker Desktop, Docker without root, Podman, Podman without root. */
function usualPlaces(): readonly string[] {
  if (platform === "win32") return ["//./pipe/docker_engine"];
  const runtime = `/run/user/${getuid?.() ?? 0}`;
  return [
    "/var/run/docker.sock",
    join(homedir(), ".docker/run/docker.sock"),
    `${runtime}/docker.sock`,
    "/run/podman/podman.sock",
    `${runtime}/podman/podman.sock`,
  ];
}

/** What dockerode is told; everything is said, for what is not it takes from the environment. */
function addressOf(endpoint: string): Docker.DockerOptions {
  const unset = { host: undefined, port: undefined, ca: undefined, cert: undefined, key: undefined };
  const local = /^(?:unix:\/\/|npipe:\/\/)?(\/.+)$/.exec(endpoint)?.[1];
  if (local !== undefined) return { ...unset, protocol: "http", socketPath: local };
  const match = /^(?:tcp|http):\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})\/?$/.exec(endpoint);
  if (match?.[1] === undefined || match[2] === undefined) {
    throw new CacheOpsError("invalid_input", `"${printable(endpoint)}" is no address of a container engine`, {
      hint: "Write the path of a socket, such as /var/run/docker.sock, or tcp://host:port.",
    });
  }
  return { ...unset, protocol: "http", host: match[1].replaceAll(/[[\]]/g, ""), port: match[2] };
}

async function connect(endpoint: string, { signal, limitSeconds }: EngineOptions): Promise<ContainerEngine> {
  // A CommonJS module has but a default export once it is bundled.
  const { default: Client } = await import("dockerode");
  const docker = new Client(addressOf(endpoint));
  const ask = async <T>(
    what: string,
    question: (abortSignal: AbortSignal) => Promise<T>,
    limit = limitSeconds,
  ): Promise<T> => {
    try {
      return await answerWithin(limit, signal, question);
    } catch (error) {
      throw engineError(error, what, { endpoint, signal, limitSeconds: limit });
    }
  };
  const listed = async (labels: readonly string[]) => {
    const filters = { label: [...labels] };
    const found = await ask("containers", (abortSignal) =>
      docker.listContainers({ all: true, ...(labels.length === 0 ? {} : { filters }), abortSignal }),
    );
    return readList(found).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  };
  const inspect = async (id: string) =>
    readContainer(await ask(id, (abortSignal) => docker.getContainer(id).inspect({ abortSignal })));
  await ask("itself", (abortSignal) => given(docker.ping.bind(docker), abortSignal));
  return {
    endpoint,
    async list(selector) {
      const found = await listed(selector.labels ?? []);
      return found.filter((container) => selects(selector, container));
    },
    all: () => listed([]),
    inspect,
    async run(id, argv, { user, limitSeconds: limit } = {}) {
      try {
        return await ask(
          `${id} (${argv[0] ?? ""})`,
          (abortSignal) => runIn(docker, id, argv, { abortSignal, user }),
          limit,
        );
      } catch (error) {
        const state = isServerError(error) ? (await inspect(id)).state : "running";
        if (state === "running") throw error;
        throw new CacheOpsError("blocked", `container ${id} is ${state}`, {
          hint: "Start the container, or let it go on, and try again.",
          cause: error,
        });
      }
    },
    archive: (id, path) =>
      ask(`${id}:${path}`, (abortSignal) => docker.getContainer(id).getArchive({ path, abortSignal })),
    async processes(id) {
      const container = docker.getContainer(id);
      const top = await ask(id, (abortSignal) => given(container.top.bind(container), abortSignal));
      if (!matches(Top, top)) {
        throw new CacheOpsError("unavailable", `the container engine does not say which processes ${id} has`, {
          hint: "Check that a container engine answers at that address.",
        });
      }
      const column = top.Titles.indexOf("PID");
      return (top.Processes ?? []).map((row) => Number(row[column]));
    },
  };
}

const Top = Type.Object({
  Titles: Type.Array(Type.String(), { contains: Type.Literal("PID") }),
  Processes: Type.Union([Type.Array(Type.Array(Type.String())), Type.Null()]),
});

/** Asks a question that the client's types do not let one give up; the client does. */
function given(question: (options: never) => unknown, abortSignal: AbortSignal): Promise<unknown> {
  return question({ abortSignal } as never) as Promise<unknown>;
}
