import { answerJson } from "./http-answer.ts";
import { notWatched, type LibraryNews } from "./library-watch.ts";
import type { Methods } from "./route.ts";

/** What is known of watched libraries, at once (`/watch`) and as it changes (`/events`). */
export function libraryRoutes({ state, stream }: Pick<LibraryNews, "state" | "stream">): Map<string, Methods> {
  const answer = () => {
    const now = state();
    if (now === undefined) throw notWatched();
    return answerJson(200, { ...now });
  };
  return new Map<string, Methods>([
    ["/watch", { GET: { answer } }],
    ["/events", { GET: { answer: stream } }],
  ]);
}
