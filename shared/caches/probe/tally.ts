import type { Trouble } from "../../finding.ts";

/** What became of the entries of one program. */
interface ImportFigures {
  readonly origin: "media-audit" | "mediabox";
  /** Entries that were looked at. */
  readonly entries: number;
  readonly imported: number;
  readonly alreadyThere: number;
  /** What cannot be taken over, by the rule that says why: entries, or whole files that cannot be read. */
  readonly unusable: Record<string, number>;
}

/** What an import from the caches of one program did. */
export interface Imported {
  readonly figures: ImportFigures;
  readonly errors: readonly Trouble[];
}

/** What became of one entry. */
export type ImportOutcome = "imported" | "alreadyThere" | { readonly rule: string };

/** Counts what becomes of the entries of one program. */
export function makeTally(origin: ImportFigures["origin"]) {
  const taken = { imported: 0, alreadyThere: 0 };
  const rules = new Map<string, number>();
  return {
    count(outcome: ImportOutcome): void {
      if (typeof outcome === "string") taken[outcome] += 1;
      else rules.set(outcome.rule, (rules.get(outcome.rule) ?? 0) + 1);
    },
    result: (entries: number, errors: readonly Trouble[]): Imported => ({
      figures: { origin, entries, ...taken, unusable: Object.fromEntries(rules) },
      errors,
    }),
  };
}
