import PQueue from "p-queue";

/** Works on so many items at a time, and returns what became of all in their order. Rejects as soon as one does. */
export async function inFlight<T, R>(
  items: readonly T[],
  concurrency: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const queue = new PQueue({ concurrency });
  return Promise.all(items.map((item) => queue.add(() => work(item))));
}
