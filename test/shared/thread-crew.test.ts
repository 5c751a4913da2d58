import assert from "node:assert/strict";
import { availableParallelism } from "node:os";

import { doInThreads } from "../../shared/thread-crew.ts";

/** How many threads answered, of as many jobs as it takes until there are `most` of them, and at least 50. */
async function threadsFor(areIdle: () => boolean, most: number): Promise<number> {
  const threads = new Set<number>();
  const jobs = Array.from({ length: 50 }, () => "job");
  const unanswered = await doInThreads<string, number>(jobs, {
    signal: new AbortController().signal,
    timeLimitSeconds: 30,
    module: "../support/telling-thread",
    beside: import.meta.url,
    data: {},
    mostJobs: 1,
    messageOf: (batch) => batch,
    take: (_, thread) => {
      threads.add(thread);
      if (threads.size < most) jobs.push("job");
    },
    areIdle,
  });
  assert.deepEqual(unanswered, []);
  return threads.size;
}

describe("a crew of threads", () => {
  it("grows to four where processors have nothing to do", async () => {
    assert.equal(await threadsFor(() => true, 4), 4);
  });

  it("stays as it is where they are busy", async () => {
    const usual = Math.min(Math.max(2, availableParallelism()), 4);
    assert.equal(await threadsFor(() => false, usual), usual);
  });
});
