import { element, foreign, section } from "./element.ts";
import type { ManagedFigures, ManagedUse } from "./figures.ts";
import { bytesText, countText, plural, shareText } from "./format.ts";
import { wideTable } from "./wide-table.ts";

/** The managed caches with how full they are, how they were used, and when they will be full. */
export function managedSection(caches: readonly ManagedFigures[]): HTMLElement {
  const rows = caches.map(({ name, directory, use }) => {
    const named = [foreign(name), element("span", { class: "path" }, foreign(directory))];
    if ("trouble" in use) {
      const trouble = element("span", { class: "bad" }, foreign(use.trouble));
      return [...named, trouble, ...Array.from({ length: 5 }, () => "–")];
    }
    return [
      ...named,
      quotaOf(use),
      use.quarantined === 0 ? "empty" : plural(use.quarantined, "directory", "directories"),
      bytesText(use.freeBytes),
      hitsOf(use),
      use.evictions === 0 ? "none" : `${countText(use.evictions)}, ${bytesText(use.reclaimedBytes)}`,
      forecastOf(use),
    ];
  });
  return section(
    "managed",
    "Managed directories",
    wideTable({
      label: "Managed caches and their quotas",
      columns: [
        ["Cache"],
        ["Directory"],
        ["Quota in use"],
        ["Quarantine"],
        ["Disk free", true],
        ["Hits"],
        ["Evicted so far"],
        ["Full in"],
      ],
      rows,
    }),
  );
}

/** A bar of the quota with marks where directories begin to go and where that ends. */
function quotaOf({ directories, bytes, maxBytes, highWatermark, lowWatermark }: ManagedUse): Node | string {
  const holds = `in ${plural(directories, "directory", "directories")}`;
  if (maxBytes === null) return `${bytesText(bytes)} ${holds}, no quota`;
  const share = bytes / maxBytes;
  const fill = element("span", { class: bytes > 0 ? "fill" : "none" });
  fill.style.width = percent(Math.min(1, share));
  const mark = (at: number) => {
    const made = element("span", { class: "mark" });
    made.style.insetInlineStart = percent(at);
    return made;
  };
  const state = share > 1 ? "over" : share > highWatermark ? "high" : "";
  const [above, below] = [shareText(highWatermark, 1), shareText(lowWatermark, 1)];
  const limits = {
    over: `Over the quota: evicts down to ${below}`,
    high: `Over ${above}: evicts down to ${below}`,
    "": `Evicts above ${above}, down to ${below}`,
  }[state];
  return element(
    "span",
    { class: `share quota ${state}` },
    element("span", { class: "track", "aria-hidden": "true" }, fill, mark(lowWatermark), mark(highWatermark)),
    element(
      "span",
      { class: "text" },
      `${shareText(bytes, maxBytes)} of ${bytesText(maxBytes)} ${holds}`,
      element("span", { class: "limits" }, limits),
    ),
  );
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10}%`;
}

function hitsOf({ hits, misses }: ManagedUse): string {
  const asks = hits + misses;
  return asks === 0 ? "not asked yet" : `${shareText(hits, asks)} of ${plural(asks, "request")}`;
}

function forecastOf({ daysUntilFull, maxBytes }: ManagedUse): string {
  if (maxBytes === null) return "–";
  if (daysUntilFull === null) return "not in sight";
  return daysUntilFull < 1 ? (daysUntilFull === 0 ? "full" : "a day") : plural(Math.round(daysUntilFull), "day");
}
