import { Type, type Static } from "typebox";

import { present, type Answer, type JellyfinLink } from "./client.ts";

/** The two caches of the Xtream plugin: its server offers to clear each as a whole, and nothing smaller. */
export const Section = Type.Enum(["series", "vod"], { description: "Which cache of the Xtream plugin." });
export type Section = Static<typeof Section>;

/** Every section. */
export const SECTIONS = ["series", "vod"] as const satisfies readonly Section[];

const ROUTES = { series: "Series", vod: "Vod" } as const;

/** Keys of the plugin's tasks: that of the series says whether the plugin is there. */
export const REFRESH_TASKS = { series: "XtreamSeriesCacheRefresh", vod: "XtreamVodCacheRefresh" } as const;

const Text = Type.Optional(Type.Union([Type.String(), Type.Null()]));
const CacheStatus = Type.Object({
  IsRefreshing: Type.Boolean(),
  Progress: Type.Number(),
  Status: Text,
  StartTime: Text,
  CompleteTime: Text,
  IsCachePopulated: Type.Boolean(),
});
const Done = Type.Object({ Success: Type.Boolean(), Message: Text });
const Named = Type.Array(Type.Object({ Id: Type.Union([Type.Integer(), Type.String()]) }));
const ProviderTest = Type.Object({ Status: Text });

/** A cache of the plugin as its server describes it. */
export interface SectionStatus {
  readonly section: Section;
  readonly isRefreshing: boolean;
  /** 0 to 1. It is 1 while a refresh still works: only `isRefreshing` says that it ended. */
  readonly progress: number;
  /** In the words of the plugin. */
  readonly text: string;
  /** When the last refresh began and completed, as the server wrote it; null: it does not say. */
  readonly startedAt: string | null;
  readonly completedAt: string | null;
  /** Whether it holds categories: seasons and episodes may be missing all the same. */
  readonly isPopulated: boolean;
}

/** A section as it is now, or `undefined` when this plugin does not have it. Throws as {@link JellyfinLink.ask} does. */
export async function readSection(link: JellyfinLink, section: Section): Promise<Answer<SectionStatus> | undefined> {
  const answer = await link.ask("GET", `/Xtream/${ROUTES[section]}CacheStatus`, CacheStatus);
  if (answer === undefined) return undefined;
  const { IsRefreshing, Progress, Status, StartTime, CompleteTime, IsCachePopulated } = answer.value;
  const value = {
    section,
    isRefreshing: IsRefreshing,
    progress: Math.min(Math.max(Progress, 0), 1),
    text: Status ?? "",
    startedAt: StartTime ?? null,
    completedAt: CompleteTime ?? null,
    isPopulated: IsCachePopulated,
  };
  return { value, date: answer.date };
}

/** What the plugin says to a request: `isAccepted` is no proof. */
export interface Said {
  readonly isAccepted: boolean;
  readonly message: string;
}

/** Asks for a section to be cancelled, invalidated and its channel task to be queued. Throws as `ask` does. */
export async function clearSection(link: JellyfinLink, section: Section): Promise<Said> {
  return say(link, `/Xtream/${ROUTES[section]}CacheClear`);
}

/** Asks for a section to be filled anew; `isAccepted` is false while a refresh runs. Throws as `ask` does. */
export async function refreshSection(link: JellyfinLink, section: Section): Promise<Said> {
  // A plain refresh skips what did not change, also what a clear has just taken away.
  return say(link, `/Xtream/${ROUTES[section]}CacheRefresh?fullSync=true`);
}

async function say(link: JellyfinLink, path: string): Promise<Said> {
  const { value } = present(link, path, await link.ask("POST", path, Done));
  return { isAccepted: value.Success, message: value.Message ?? "" };
}

/** What the provider offers for a section. */
export const Offer = Type.Object(
  { categories: Type.Integer({ minimum: 0 }), items: Type.Integer({ minimum: 0 }) },
  { additionalProperties: false, description: "What the provider offered when it was planned." },
);
export type Offer = Static<typeof Offer>;

/** The state of the account as the provider puts it, `Active` when in order. Throws as `ask` does: also while it is down. */
export async function testProvider(link: JellyfinLink): Promise<string> {
  const path = "/Xtream/TestProvider";
  return present(link, path, await link.ask("GET", path, ProviderTest)).value.Status ?? "unknown";
}

/** How many categories the provider offers. Throws as `ask` does. */
export async function countCategories(link: JellyfinLink, section: Section): Promise<number> {
  return (await readCategories(link, section)).length;
}

/** How many categories and items the provider offers, one request a category. Throws as `ask` does. */
export async function countOffer(link: JellyfinLink, section: Section): Promise<Offer> {
  const categories = await readCategories(link, section);
  let items = 0;
  for (const [done, { Id }] of categories.entries()) {
    link.access.progress({ message: `counting ${section} at the provider`, done, total: categories.length });
    const path = `/Xtream/${ROUTES[section]}Categories/${encodeURIComponent(Id)}`;
    items += present(link, path, await link.ask("GET", path, Named)).value.length;
  }
  return { categories: categories.length, items };
}

async function readCategories(link: JellyfinLink, section: Section): Promise<Static<typeof Named>> {
  const path = `/Xtream/${ROUTES[section]}Categories`;
  return present(link, path, await link.ask("GET", path, Named)).value;
}
