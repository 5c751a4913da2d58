import assert from "node:assert/strict";

import { makePlace } from "../support/place.ts";
import { benchScan } from "./scan.ts";

describe("the benchmark of scans", () => {
  it("sees no ffprobe on an unchanged library, and then one for each touched file", async () => {
    const { touched, scans } = await benchScan(makePlace("bench"), { files: 101, directories: 11, originals: 4 });
    assert.equal(touched, 2);
    assert.deepEqual(
      scans.map(({ media, processes, probed, written }) => [media, processes, probed, written]),
      [
        [101, 101, 101, 101],
        [101, 0, 0, 0],
        [101, 2, 2, 2],
      ],
    );
    for (const { seconds, peakMegabytes } of scans) assert.ok(seconds > 0 && peakMegabytes > 0);
  });
});
