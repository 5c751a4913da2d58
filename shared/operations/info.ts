import { Type, type Static } from "typebox";

import { managedCacheFor, realRootOf } from "../caches/managed/configured.ts";
import { usersOf } from "../caches/managed/in-use.ts";
import { isKnown, measureTree, type Measurement } from "../caches/managed/measure.ts";
import { findMember, memberPath, type Member } from "../caches/managed/member-path.ts";
import { seeOpenFiles } from "../caches/managed/open-files.ts";
import { withManagedStore } from "../caches/managed/open.ts";
import { prospectOf } from "../caches/managed/prospect.ts";
import type { ManagedCache } from "../caches/managed/settings.ts";
import type { Context } from "../context.ts";
import { CacheOpsError, systemError } from "../errors.ts";
import { defineOperation } from "../operation.ts";
import { matcher } from "../policy.ts";
import { printable } from "../printable.ts";
import { formatBytes, parseDuration } from "../units.ts";
import { count } from "../view.ts";
import { ManagedName, ManagedPath } from "./input.ts";
import { directoryOf, ManagedDirectory, minuteOf } from "./managed-view.ts";

const Obstacle = Type.Object(
  {
    rule: Type.String({
      description:
        "pinned, kept_by_configuration, open_files, lock_file, unfinished_download, recent_write, unreadable.",
    }),
    by: Type.String({ description: "Who or what: a pattern, a process, a file." }),
  },
  { additionalProperties: false },
);
type Obstacle = Static<typeof Obstacle>;

const OnDisk = Type.Object(
  {
    bytes: Type.Integer(),
    sharedBytes: Type.Integer({ description: "Of these, bytes that have names elsewhere, too: they stay." }),
    files: Type.Integer(),
    directories: Type.Integer(),
    lastWrite: Type.String(),
    lastRead: Type.Union([Type.String(), Type.Null()], { description: "As far as the mount keeps times of access." }),
  },
  { additionalProperties: false, description: "As measured just now." },
);

const Explanation = Type.Object(
  {
    cache: Type.String(),
    location: Type.String({ description: "Its real path." }),
    directory: Type.Union([ManagedDirectory, Type.Null()], { description: "The register; null: not registered." }),
    disk: OnDisk,
    obstacles: Type.Array(Obstacle, { description: "What keeps it from being evicted now." }),
    unseen: Type.Union([Type.String(), Type.Null()], { description: "Where nobody could look for users." }),
    rank: Type.Union([Type.Integer(), Type.Null()], {
      description: "Its place in the order in which directories go, from 1; null: it does not go.",
    }),
    rankOf: Type.Integer({ description: "How many may go." }),
    reason: Type.Union([Type.String(), Type.Null()], { description: "expired, max_age or over_quota." }),
    verdict: Type.Enum(["goes", "stays", "waits", "unregistered"], {
      description: "goes: with the next eviction; waits: when room is needed and it is its turn.",
    }),
    policy: Type.String(),
  },
  { additionalProperties: false },
);

/** Says everything of one directory of a managed cache. */
export const info = defineOperation({
  name: "info",
  title: "Explain a directory",
  description:
    "Says everything of one directory of a managed cache: size, last use, expiry, who uses it, and why it would go or stay.",
  effect: "read",
  isExtraTool: true,
  input: Type.Object({ path: ManagedPath, cache: ManagedName }, { additionalProperties: false }),
  positional: "path",
  output: Explanation,
  async run({ path: word, cache: name }, context) {
    const cache = await managedCacheFor(name, word, context);
    const member = await locate(cache, word, context);
    const measurement = await measured(member.directory, context);
    const openFiles = await seeOpenFiles([member.passport.realPath], context.signal);
    const uses = await usersOf(member.directory, measurement, {
      openFiles,
      settleSeconds: parseDuration(cache.settle),
      now: context.now(),
      signal: context.signal,
      timeLimitSeconds: parseDuration(context.configuration.timeLimit),
    });
    return withManagedStore(cache, context, async (store) => {
      const entry = await store.get(member.path);
      const prospect = await prospectOf(member.path, cache, member.passport.realPath, store, context);
      const obstacles = [...obstaclesOf(cache, member, entry?.isPinned === true, measurement), ...uses];
      const isKept = obstacles.length > 0 || prospect.rank === null;
      const { bytes, sharedBytes, files, directories, newestMtimeMs, newestAtimeMs } = measurement;
      return {
        cache: cache.name,
        location: member.directory,
        directory: entry === undefined ? null : directoryOf(entry),
        disk: {
          bytes,
          sharedBytes,
          files,
          directories,
          lastWrite: new Date(newestMtimeMs).toISOString(),
          lastRead: Number.isFinite(newestAtimeMs) ? new Date(newestAtimeMs).toISOString() : null,
        },
        obstacles,
        unseen: openFiles.blind ?? null,
        rank: prospect.rank,
        rankOf: prospect.of,
        reason: prospect.reason,
        verdict: verdictOf(entry !== undefined, isKept, prospect.isDue),
        policy: cache.policy,
      };
    });
  },
  outcome: () => "ok",
  view(output) {
    const { cache, location, directory, disk, obstacles, unseen, verdict } = output;
    return {
      title: `${printable(location)}: ${VERDICTS[verdict]}.`,
      facts: [["Cache", cache]],
      table: {
        columns: ["What", "Value"],
        rows: [
          ["Size", formatBytes(disk.bytes)],
          ...(disk.sharedBytes > 0 ? [["Of that, also elsewhere", formatBytes(disk.sharedBytes)]] : []),
          ["Files", disk.files],
          ["Last write", minuteOf(disk.lastWrite)],
          ["Last read", disk.lastRead === null ? "" : minuteOf(disk.lastRead)],
          ...(directory === null ? [] : registerRows(directory)),
          ["Turn", turnOf(output)],
          ["Stays because", obstacles.map(({ rule, by }) => `${rule}: ${printable(by)}`).join("; ")],
        ],
      },
      notes: [
        ...(unseen === null ? [] : [`${unseen}.`]),
        ...(directory !== null && directory.bytes !== disk.bytes
          ? [`The register has ${formatBytes(directory.bytes)}; \`reconcile\` corrects it.`]
          : []),
        ...(directory === null ? ["It is not registered: no quota counts it, and no eviction comes to it."] : []),
      ],
    };
  },
});

const VERDICTS = {
  goes: "goes with the next eviction",
  stays: "stays",
  waits: "stays until room is needed and it is its turn",
  unregistered: "is not registered",
} as const;

function verdictOf(isRegistered: boolean, isKept: boolean, isDue: boolean): keyof typeof VERDICTS {
  if (!isRegistered) return "unregistered";
  if (isKept) return "stays";
  return isDue ? "goes" : "waits";
}

function registerRows(directory: ManagedDirectory): [string, string | number][] {
  const { registeredAt, accessedAt, expiresAt, accesses, isPinned, refillSeconds } = directory;
  return [
    ["Registered", minuteOf(registeredAt)],
    ["Last use", minuteOf(accessedAt)],
    ["Uses", accesses],
    ["Expires", expiresAt === null ? "never" : minuteOf(expiresAt)],
    ["Pinned", isPinned ? "yes" : "no"],
    ...(refillSeconds === null ? [] : [["Getting it back takes", `${refillSeconds} s`] satisfies [string, string]]),
  ];
}

function turnOf({ rank, rankOf, reason, policy }: Static<typeof Explanation>): string {
  if (rank === null) return "none";
  const why = reason === "over_quota" ? `by ${policy}` : (reason ?? "");
  return `${rank} of ${count(rankOf, "directory", "directories")}, ${why}`;
}

function obstaclesOf(cache: ManagedCache, { path }: Member, isPinned: boolean, measurement: Measurement): Obstacle[] {
  const pattern = cache.keep.find((one) => matcher([one])(path));
  const [unreadable] = measurement.unreadable;
  return [
    ...(isPinned ? [{ rule: "pinned", by: "until it is released" }] : []),
    ...(pattern === undefined ? [] : [{ rule: "kept_by_configuration", by: pattern }]),
    ...(isKnown(measurement)
      ? []
      : [{ rule: "unreadable", by: unreadable?.path ?? "another file system is mounted in it" }]),
  ];
}

/** The directory, looked for on the disk. One that only the register has is said to be gone. */
async function locate(cache: ManagedCache, word: string, context: Context): Promise<Member> {
  try {
    return await findMember(cache, word, context);
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code !== "not_found") throw error;
    const path = memberPath(cache, word, await realRootOf(cache, context));
    const entry = await withManagedStore(cache, context, (store) => store.get(path));
    if (entry === undefined) throw error;
    const message = `${printable(path)} is in the register of ${cache.name} and not on the disk`;
    throw new CacheOpsError("not_found", message, {
      hint: "`reconcile` forgets what is gone. If a disk is missing, mount it.",
      cause: error,
    });
  }
}

async function measured(directory: string, { signal, configuration }: Context): Promise<Measurement> {
  try {
    return await measureTree(directory, { signal, timeLimitSeconds: parseDuration(configuration.timeLimit) });
  } catch (error) {
    throw systemError(error, `cannot measure ${printable(directory)}`);
  }
}
