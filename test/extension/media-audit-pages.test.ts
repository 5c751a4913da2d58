import { deepEqual, equal, match } from "node:assert/strict";
import { rmSync, truncateSync } from "node:fs";
import { join } from "node:path";

import type { Selection } from "../../extension/protocol.ts";
import { makeDesk } from "../../extension/worker/desk.ts";
import { handlers } from "../../extension/worker/handlers.ts";
import { makeMediaAuditCache, pickleEntries, writeScanEntry } from "../support/media-audit.ts";
import { writeMedia } from "../support/library.ts";
import { makePlace } from "../support/place.ts";

describe("the pages of media-audit's cache", () => {
  const everything: Selection = { problems: [], search: "", sort: "stale" };

  /** A cache with entries in order for `a.mkv` to `d.mkv`, of which `c.mkv` was deleted and the file of `d.mkv` torn. */
  const open = () => {
    const library = makePlace("library");
    const media = ["a.mkv", "b.mkv", "c.mkv", "d.mkv"].map((name) => writeMedia(library, name, name.repeat(3)));
    const place = makeMediaAuditCache();
    const files = pickleEntries(
      place,
      media.map((filePath, index) => ({ filePath, cacheTime: 1_700_000_000 - index })),
    );
    rmSync(media[2] ?? "");
    truncateSync(files[3] ?? "", 40);
    const desk = makeDesk();
    const ofProbe: Record<string, unknown> = { probe: { mediaAudit: [place] } };
    desk.configure({
      stateDirectory: makePlace("state"),
      configurationFile: "",
      configuration: { libraries: [{ name: "films", roots: [library] }], ...ofProbe },
    });
    const page = (
      part: Partial<Selection & { offset: number; limit: number; refresh: boolean; place: string }> = {},
    ) => {
      const { offset = 0, limit = 100, refresh = false, place: at = place, ...selection } = part;
      const context = desk.context(new AbortController().signal, () => undefined);
      const request = { place: at, refresh, offset, limit, selection: { ...everything, ...selection } };
      return handlers.mediaAudit(request, context, desk);
    };
    const context = () => desk.context(new AbortController().signal, () => undefined);
    return { library, media, place, files, desk, page, context };
  };
  const names = ({ rows }: Awaited<ReturnType<ReturnType<typeof open>["page"]>>) => rows.map(({ name }) => name);

  it("say what each entry is about and what is wrong with it, those with problems first", async () => {
    const { media, files, page } = open();
    const { rows, total, figures } = await page();
    deepEqual(
      rows.map(({ path, name, media: of, problem, rule }) => [path, name, of, problem, rule]),
      [
        [files[2], "c.mkv", media[2], "orphaned", "media_gone"],
        [files[3], null, null, "corrupt", "truncated"],
        [files[0], "a.mkv", media[0], null, null],
        [files[1], "b.mkv", media[1], null, null],
      ],
    );
    equal(rows[2]?.writtenAt, 1_700_000_000_000);
    equal(total, 4);
    const { state, entries, stale, byProblem, troubles } = figures;
    deepEqual(
      { state, entries, stale, byProblem, troubles },
      { state: "healthy", entries: 4, stale: 1, byProblem: { orphaned: 1, corrupt: 1 }, troubles: 0 },
    );
    equal(
      figures.bytes,
      rows.reduce((sum, { bytes }) => sum + bytes, 0),
    );
  });

  it("come in parts, filtered and in any order, with the figures of the whole", async () => {
    const { page } = open();
    const part = await page({ offset: 2, limit: 1 });
    deepEqual([names(part), part.total, part.figures.entries], [["a.mkv"], 4, 4]);
    deepEqual(names(await page({ problems: ["orphaned"] })), ["c.mkv"]);
    const found = await page({ search: "B.MKV" });
    deepEqual([names(found), found.total, found.figures.entries], [["b.mkv"], 1, 4]);
    deepEqual(names(await page({ sort: "age", search: ".mkv" })), ["c.mkv", "b.mkv", "a.mkv"]);
  });

  it("stay as they were seen, until a new look is asked for", async () => {
    const { files, page } = open();
    await page();
    rmSync(files[0] ?? "");
    equal((await page()).total, 4);
    equal((await page({ refresh: true })).total, 3);
    equal((await page()).total, 3);
  });

  it("do not take an entry for that of another file whose key it holds", async () => {
    const { library, place, page } = open();
    const scanned = writeScanEntry(place, library);
    const other = writeScanEntry(place, join(library, "other"), { key: scanned.slice(-37, -5) });
    const { rows } = await page();
    const row = (path: string) => rows.find((each) => each.path === path);
    equal(row(scanned)?.media, library);
    deepEqual([row(other)?.media, row(other)?.rule], [null, "name_is_not_the_key"]);
  });

  it("are empty for a cache that is not there, and say so", async () => {
    const { place, page } = open();
    const missing = await page({ place: join(place, "nowhere") });
    deepEqual([missing.total, missing.figures.state, missing.figures.entries], [0, "missing", 0]);
  });

  it("are not needed to know which caches there are", async () => {
    const { place, desk, context } = open();
    deepEqual(await handlers.probeCaches({}, context(), desk), { mediaAudit: [place], hasOwn: false });
    equal(await handlers.probeCache({}, context(), desk), null);
    equal(desk.mediaAudit.size, 0);
  });

  it("lead to a plan that shows its files in one group, and a pickle as no text", async () => {
    const { media, place, files, desk, context } = open();
    rmSync(media[1] ?? "");
    const request = { operation: "cleanup", input: { kind: ["probe"], paths: [place], allow: ["stale_ratio"] } };
    const { output } = await handlers.invoke(request, context(), desk);
    const plan = String(output["plan"]);
    const { groups } = await handlers.plan({ plan, offset: 0, limit: 10 }, context(), desk);
    deepEqual(
      groups.rows.map(({ label, cache, ids }) => [label, cache, ids]),
      [["media-audit/probe", join(place, "probe"), [1, 2]]],
    );
    const file = files[1] ?? "";
    const preview = (side: "before" | "after") => handlers.preview({ plan, file, side }, context(), desk);
    match((await preview("before")) ?? "", /^Pickle of \d+ bytes$/m);
    equal(await preview("after"), null);
  });
});
