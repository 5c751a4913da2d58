import { Type, type Static } from "typebox";

const closed = { additionalProperties: false } as const;

/** Which container, and which life of it: a restart or an update makes another of it. */
const ContainerIdentity = Type.Object(
  {
    id: Type.String({ pattern: "^[0-9a-f]{64}$" }),
    name: Type.String(),
    image: Type.String({ description: "Id of its image." }),
    startedAt: Type.String({ description: "When it was started, as the engine writes it." }),
  },
  closed,
);

/** The contents of a cache directory in a container go, the directory stays. Bound to what the planner saw. */
export const ContainerCleanAction = Type.Object(
  {
    endpoint: Type.String({ description: "Socket or address of the container engine." }),
    container: ContainerIdentity,
    path: Type.String({ description: "The cache directory, as the container knows it." }),
    user: Type.String({ description: "Whom the programs in the container run as." }),
    seen: Type.Object(
      {
        sha256: Type.String({ description: "Digest over types, sizes, times and names." }),
        size: Type.Integer({ minimum: 0, description: "Bytes of its files." }),
        entries: Type.Integer({ minimum: 0, description: "Everything below the directory." }),
      },
      closed,
    ),
  },
  closed,
);
export type ContainerCleanAction = Static<typeof ContainerCleanAction>;
