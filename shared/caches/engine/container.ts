import { Type, type Static } from "typebox";

import { CacheOpsError } from "../../errors.ts";
import { matches } from "../../validate.ts";

/** Which containers: those with all of these labels, and one of these names. At least one of the two is given. */
export const ContainerSelector = Type.Object(
  {
    labels: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        minItems: 1,
        description: "Labels that all must be there: key or key=value.",
      }),
    ),
    names: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        minItems: 1,
        description: "Names of containers, or their full ids.",
      }),
    ),
  },
  { additionalProperties: false, minProperties: 1 },
);
export type ContainerSelector = Static<typeof ContainerSelector>;

/** What a container is doing. Only in a running one can anything be done. */
type ContainerState = "running" | "paused" | "stopped";

/** A file system of its own in a container. */
export interface ContainerMount {
  readonly type: string;
  /** Where it lies on the host, or `""`: what two containers share has the same source. */
  readonly source: string;
  /** Where the container sees it. */
  readonly destination: string;
  readonly isWritable: boolean;
}

/** A container in the engine's list. */
export interface ContainerSummary {
  /** 64 hex digits. */
  readonly id: string;
  readonly name: string;
  readonly state: ContainerState;
  readonly labels: Readonly<Record<string, string>>;
  readonly mounts: readonly ContainerMount[];
}

/** A container as it was at one moment. */
export interface SeenContainer extends ContainerSummary {
  /** Id of its image. */
  readonly image: string;
  /** As the engine writes it: another one means another life. */
  readonly startedAt: string;
  /** Of its first process, on the engine's host; 0: none. */
  readonly pid: number;
  readonly networkMode: string;
  readonly isRootReadOnly: boolean;
}

/** Whether a selector names this container. */
export function selects({ names, labels }: ContainerSelector, { id, name, labels: own }: ContainerSummary): boolean {
  const hasLabel = (wanted: string) => {
    const at = wanted.indexOf("=");
    return at < 0 ? Object.hasOwn(own, wanted) : own[wanted.slice(0, at)] === wanted.slice(at + 1);
  };
  if (names === undefined && labels === undefined) return false;
  return (names?.some((one) => one === name || one === id) ?? true) && (labels?.every(hasLabel) ?? true);
}

const Labels = Type.Union([Type.Record(Type.String(), Type.String()), Type.Null()]);
const Mounts = Type.Union([
  Type.Array(
    Type.Object({
      Type: Type.String(),
      Source: Type.Optional(Type.String()),
      Destination: Type.String(),
      RW: Type.Boolean(),
    }),
  ),
  Type.Null(),
]);
const Id = Type.String({ pattern: "^[0-9a-f]{64}$" });

/** What is read of the engine's list. */
const ListedContainers = Type.Array(
  Type.Object({
    Id,
    Names: Type.Union([Type.Array(Type.String()), Type.Null()]),
    State: Type.String(),
    Labels,
    Mounts,
  }),
);

/** What is read of one container. */
const InspectedContainer = Type.Object({
  Id,
  Name: Type.String(),
  Image: Type.String(),
  State: Type.Object({
    Running: Type.Boolean(),
    Paused: Type.Boolean(),
    Pid: Type.Integer({ minimum: 0 }),
    StartedAt: Type.String({ minLength: 1 }),
  }),
  Config: Type.Object({ Labels }),
  HostConfig: Type.Object({
    NetworkMode: Type.String({ default: "" }),
    ReadonlyRootfs: Type.Boolean({ default: false }),
    Tmpfs: Type.Optional(Labels),
  }),
  Mounts,
});

/** The engine's list in our words. Throws `unavailable` for what is no such list. */
export function readList(answer: unknown): readonly ContainerSummary[] {
  if (!matches(ListedContainers, answer)) throw unreadable("its list of containers");
  return answer.map(({ Id, Names, State, Labels, Mounts }) => ({
    id: Id,
    name: nameOf(Names?.[0] ?? Id),
    state: State === "running" || State === "paused" ? State : "stopped",
    labels: Labels ?? {},
    mounts: mountsIn(Mounts),
  }));
}

/** What the engine says of one container in our words. Throws `unavailable` for what does not describe one. */
export function readContainer(answer: unknown): SeenContainer {
  if (!matches(InspectedContainer, answer)) throw unreadable("a container");
  const { Id, Name, Image, State, Config, HostConfig, Mounts } = answer;
  const listed = mountsIn(Mounts);
  // Docker does not list these among the mounts.
  const temporary = { "/dev/shm": "", ...HostConfig.Tmpfs };
  const rest = Object.entries(temporary)
    .filter(([destination]) => !listed.some((mount) => mount.destination === destination))
    .map(([destination, options]) => {
      return { type: "tmpfs", source: "", destination, isWritable: !options.split(",").includes("ro") };
    });
  return {
    id: Id,
    name: nameOf(Name),
    image: Image,
    state: State.Paused ? "paused" : State.Running ? "running" : "stopped",
    startedAt: State.StartedAt,
    pid: State.Pid,
    labels: Config.Labels ?? {},
    networkMode: HostConfig.NetworkMode,
    isRootReadOnly: HostConfig.ReadonlyRootfs,
    mounts: [...listed, ...rest],
  };
}

function mountsIn(mounts: Static<typeof Mounts>): readonly ContainerMount[] {
  return (mounts ?? []).map(({ Type: type, Source, Destination, RW }) => {
    return { type, source: Source ?? "", destination: Destination, isWritable: RW };
  });
}

function unreadable(what: string): CacheOpsError {
  return new CacheOpsError("unavailable", `the container engine describes ${what} in a way that is not understood`, {
    hint: "Check that a container engine answers at that address, with API 1.41 or newer.",
  });
}

function nameOf(name: string): string {
  return name.replace(/^\//, "");
}
