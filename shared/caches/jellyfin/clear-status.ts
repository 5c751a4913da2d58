import { Type } from "typebox";

import { CacheOpsError } from "../../errors.ts";
import { present, type JellyfinLink } from "./client.ts";
import { readTasks, type Task } from "./tasks.ts";
import { readSection, REFRESH_TASKS, SECTIONS, type SectionStatus } from "./xtream.ts";

/** Media that Jellyfin's database holds, all libraries and channels together. */
export interface ItemCounts {
  readonly movies: number;
  readonly series: number;
  readonly episodes: number;
}

/** Which server answers at an address. */
export interface ServerIdentity {
  readonly id: string;
  readonly version: string;
  /** Whether it is of a line whose routes are known: 10.10, 10.11 or 12. */
  readonly isKnown: boolean;
}

/** Room on a file system that holds a folder of Jellyfin; not the size of that folder. */
interface FolderRoom {
  readonly path: string;
  readonly freeBytes: number;
  readonly usedBytes: number;
}

/** What a scan of a server saw. `null` stands for what it does not offer or would not say, never for nothing. */
export interface JellyfinStatus {
  readonly server: ServerIdentity;
  readonly tasks: readonly Task[];
  /** Of the Xtream plugin: empty when it is not there. */
  readonly sections: readonly SectionStatus[];
  readonly counts: ItemCounts | null;
  /** From 10.11 on. */
  readonly cacheRoom: FolderRoom | null;
  readonly transcodeRoom: FolderRoom | null;
}

const Info = Type.Object({ Id: Type.String({ minLength: 1 }), Version: Type.String({ minLength: 1 }) });
const Count = Type.Integer({ minimum: 0 });
const Counts = Type.Object({ MovieCount: Count, SeriesCount: Count, EpisodeCount: Count });
const Folder = Type.Optional(
  Type.Union([Type.Object({ Path: Type.String(), FreeSpace: Type.Number(), UsedSpace: Type.Number() }), Type.Null()]),
);
const Storage = Type.Object({ CacheFolder: Folder, TranscodingTempFolder: Folder });

/** Looks at a server; changes nothing and asks its provider nothing. Throws as {@link JellyfinLink.ask} does. */
export async function readJellyfin(link: JellyfinLink): Promise<JellyfinStatus> {
  const server = await readIdentity(link);
  const { value: tasks } = await readTasks(link);
  const sections: SectionStatus[] = [];
  if (hasXtream(tasks)) {
    for (const section of SECTIONS) {
      const status = await readSection(link, section);
      if (status !== undefined) sections.push(status.value);
    }
  }
  const counts = await unlessDown(async () => readCounts(link));
  const storage = await unlessDown(async () => link.ask("GET", "/System/Info/Storage", Storage));
  return {
    server,
    tasks,
    sections,
    counts: counts ?? null,
    cacheRoom: roomOf(storage?.value.CacheFolder),
    transcodeRoom: roomOf(storage?.value.TranscodingTempFolder),
  };
}

/** Whether the Xtream plugin is there. */
function hasXtream(tasks: readonly Task[]): boolean {
  return tasks.some(({ key }) => key === REFRESH_TASKS.series);
}

/** Which server answers. Throws as {@link JellyfinLink.ask} does. */
export async function readIdentity(link: JellyfinLink): Promise<ServerIdentity> {
  const path = "/System/Info";
  const { Id, Version } = present(link, path, await link.ask("GET", path, Info)).value;
  return { id: Id, version: Version, isKnown: /^(10\.1[01]|12)\./.test(Version) };
}

/** Media in the database. Throws as {@link JellyfinLink.ask} does. */
export async function readCounts(link: JellyfinLink): Promise<ItemCounts> {
  const path = "/Items/Counts";
  const { MovieCount, SeriesCount, EpisodeCount } = present(link, path, await link.ask("GET", path, Counts)).value;
  return { movies: MovieCount, series: SeriesCount, episodes: EpisodeCount };
}

/** What `look` found, or `undefined` when the server would not say. */
export async function unlessDown<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof CacheOpsError && error.code === "unavailable") return undefined;
    throw error;
  }
}

/** -1 stands for a folder that Jellyfin could not measure. */
function roomOf(
  folder: { readonly Path: string; readonly FreeSpace: number; readonly UsedSpace: number } | null | undefined,
): FolderRoom | null {
  if (folder === undefined || folder === null || folder.FreeSpace < 0 || folder.UsedSpace < 0) return null;
  return { path: folder.Path, freeBytes: folder.FreeSpace, usedBytes: folder.UsedSpace };
}
