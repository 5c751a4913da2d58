import { printable } from "../../printable.ts";
import type { JellyfinLink } from "./client.ts";
import { unlessDown } from "./clear-status.ts";
import { timeOf, watchUntil } from "./clear-watch.ts";
import { isOld, type Part } from "./tasks-run.ts";
import { readSection, refreshSection, type Section, type SectionStatus } from "./xtream.ts";

const LOOKS_BEFORE_ASKING = 3;
const MOST_REQUESTS = 3;

/**
 * Fills a section in full and sees to it that this very refresh completes: one that the server took on (`Success`),
 * that began after that, and that no restart cut off. Throws `interrupted` and `forbidden`.
 *
 * After a restart the plugin refreshes by itself, and only in part: that one does not count.
 */
export async function refill(link: JellyfinLink, section: Section, since: number | undefined): Promise<Part> {
  const part = "refill";
  /** Start of the last refresh before ours; `undefined` while none of ours was taken on. */
  let earlier: string | null | undefined;
  let ours: string | undefined;
  let requests = 0;
  let idleLooks = 0;
  const forget = () => {
    earlier = undefined;
    ours = undefined;
  };
  const request = async (status: SectionStatus) => {
    requests += 1;
    idleLooks = 0;
    const said = await unlessDown(async () => refreshSection(link, section));
    if (said?.isAccepted === true) earlier = status.startedAt;
  };
  const verdict = await watchUntil<Part>(
    link,
    link.server.refillLimit,
    async () => {
      const answer = await readSection(link, section);
      if (answer === undefined) return { verdict: { part, state: "failed", observed: `there is no ${section} cache` } };
      if (isOld(answer.date, { since })) return undefined;
      const status = answer.value;
      if (earlier !== undefined && status.startedAt !== earlier && status.startedAt !== null) {
        ours ??= status.startedAt;
      }
      if (status.isRefreshing) {
        idleLooks = 0;
        const done = Math.round(status.progress * 100);
        link.access.progress({ message: `${link.server.name}: ${printable(status.text)}`, done, total: 100 });
        return undefined;
      }
      if (ours !== undefined && status.startedAt === ours) return { verdict: { part, ...endOf(status) } };
      idleLooks += 1;
      if (earlier !== undefined && idleLooks < LOOKS_BEFORE_ASKING) return undefined;
      if (requests >= MOST_REQUESTS) {
        return { verdict: { part, state: "failed", observed: `the refill does not start: ${printable(status.text)}` } };
      }
      forget();
      await request(status);
      return undefined;
    },
    () => {
      // A restart may lie behind it. A refresh that was seen is known by its start, one that was not could be any.
      if (ours === undefined) forget();
    },
  );
  return verdict ?? { part, state: "unverified", observed: `no end of the refill within ${link.server.refillLimit}` };
}

/** The plugin says `Completed` also of what was cancelled late: then the cache is not populated. */
function endOf({ isPopulated, startedAt, completedAt, text }: SectionStatus): Pick<Part, "state" | "observed"> {
  const [start, end] = [timeOf(startedAt), timeOf(completedAt)];
  const isOver = start !== undefined && end !== undefined ? end >= start : completedAt !== null;
  const isWhole = isPopulated && isOver && !/fail|cancel/i.test(text);
  return { state: isWhole ? "done" : "failed", observed: `the refill ended: ${printable(text).slice(0, 200)}` };
}
