import { Type } from "typebox";

import { ByProblem, countByProblem, Finding, isStale, Problem, PROBLEMS, Trouble } from "../finding.ts";
import { defineOperation } from "../operation.ts";
import { patternFilter } from "../policy.ts";
import { printable } from "../printable.ts";
import { count } from "../view.ts";
import { Exclude, Include, AnyKinds, Paths } from "./input.ts";
import { look } from "./look.ts";

/** Finds what is stale or otherwise wrong, and changes nothing. */
export const check = defineOperation({
  name: "check",
  title: "Check caches",
  description: "Finds stale and damaged cache entries, each with the reason. Changes nothing.",
  effect: "read",
  input: Type.Object(
    {
      paths: Paths,
      kind: AnyKinds,
      problem: Type.Optional(Type.Array(Problem, { description: "Only these problems." })),
      include: Include,
      exclude: Exclude,
    },
    { additionalProperties: false },
  ),
  positional: "paths",
  output: Type.Object(
    {
      caches: Type.Integer({ description: "Cache files found." }),
      entries: Type.Integer({ description: "Entries in them." }),
      byProblem: ByProblem,
      findings: Type.Array(Finding),
      errors: Type.Array(Trouble, { description: "What could not be looked at." }),
    },
    { additionalProperties: false },
  ),
  rows: "findings",
  async run({ paths, kind, problem, include, exclude }, context) {
    const scan = await look(paths ?? [], context, kind);
    const isWanted = patternFilter(include ?? [], exclude ?? []);
    const problems: readonly Problem[] = problem ?? PROBLEMS;
    const findings = scan.found
      .filter((found) => problems.includes(found.finding.problem) && isWanted(found) === undefined)
      .map(({ finding }) => finding);
    return {
      caches: scan.caches.length,
      entries: scan.caches.reduce((sum, { entries }) => sum + entries, 0),
      byProblem: countByProblem(findings),
      findings,
      errors: [...scan.troubles],
    };
  },
  outcome: ({ findings }) => (findings.some(({ problem }) => isStale(problem)) ? "stale" : "ok"),
  view({ caches, entries, byProblem, findings, errors }) {
    const stale = findings.filter(({ problem }) => isStale(problem)).length;
    return {
      title: stale === 0 ? "Nothing is stale." : `${count(stale, "entry is", "entries are")} stale.`,
      facts: [
        ["Caches", String(caches)],
        ["Entries", String(entries)],
        ...Object.entries(byProblem).map(([problem, number]) => [problem, String(number)] as const),
      ],
      table: {
        columns: ["Problem", "Media", "Cache", "Reason"],
        rows: findings.map(({ problem, name, cache, reason }) => [
          problem,
          printable(name ?? "(the file itself)"),
          printable(cache),
          printable(`${reason.rule}${reason.observed === null ? "" : `: ${reason.observed}`}`),
        ]),
      },
      notes: [
        ...errors.map(({ path, message }) => `${printable(path)}: ${message}`),
        ...(stale > 0 ? ["`cache-ops cleanup` with the same paths shows what would be removed."] : []),
      ],
    };
  },
});
