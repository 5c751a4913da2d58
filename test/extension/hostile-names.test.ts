import assert from "node:assert/strict";
import { join } from "node:path";

import type { Change } from "../../shared/index.ts";
import type { PlanOverview } from "../../extension/protocol.ts";
import { loadViews, type Views } from "../faults/corpora/editor.ts";

const NAME = "film\u202e\u001b]8;;x\u0007.mkv";
const SHOWN = "film\\u{202e}\\u{1b}]8;;x\\u{7}.mkv";

describe("the name of a file in the editor", () => {
  let views: Views;

  before(async () => {
    views = await loadViews();
  });

  it("is printable where a library is told about that cannot be read", () => {
    const root = join("/media", NAME);
    const figures = { caches: 0, entries: 0, stale: 0, bytes: 0, byProblem: {}, troubles: 0 };
    const row = { library: "movies", root, state: "missing", detail: "ENOENT", ...figures } as const;
    const { description, tooltip } = views.itemOf({ type: "root", row });
    for (const text of [description, tooltip]) {
      assert.ok(String(text).includes(SHOWN));
      assert.ok(!String(text).includes("\u202e"));
    }
  });

  it("is printable in a message about it", () => {
    const { label, tooltip } = views.itemOf({ type: "message", text: `${NAME}: EIO`, isError: true });
    assert.deepEqual([label, tooltip], [`${SHOWN}: EIO`, `${SHOWN}: EIO`]);
  });

  it("is printable in what is read out of the box beside a change", () => {
    const cache = "/media/.mediabox_cache.json";
    const reason = { rule: "media_gone", observed: "ENOENT" };
    const change = {
      id: 1,
      does: "remove",
      kind: "directory",
      cache,
      entry: "0",
      name: NAME,
      problem: "orphaned",
      reason,
    };
    const group = { cache, label: "media", ids: [1], bytes: 1, quarantinedBytes: 0, kind: "directory" };
    const overview = { groups: { total: 1, rows: [group] }, blocked: [], troubles: [], skipped: [] };
    const items = views.reviewOf(overview as unknown as PlanOverview, [change as unknown as Change]);
    assert.equal(items[1]?.checkboxState?.accessibilityInformation?.label, `remove ${SHOWN}`);
  });

  it("is no formula in a report", async () => {
    const name = "$\\href{x}{y}$.mkv";
    const table = { columns: ["Media"], rows: [[name]] };
    const report = await views.reportOf({ title: name, facts: [[name, name]], table, notes: [name] });
    assert.equal(report.match(/\\\$/g)?.length, 10);
    assert.ok(!/(?<!\\)\$/.test(report), report);
  });
});
