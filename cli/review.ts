import { basename, dirname } from "node:path";

import { printable } from "@cache-ops/shared/start";

interface Choice {
  readonly id: number;
  readonly does: string;
  readonly name: string | null;
  readonly cache: string;
  readonly problem: string;
  readonly reason: { readonly rule: string };
}

/** Lets a person take changes out of a plan; returns the numbers of those that stay. */
export async function chooseChanges(changes: unknown): Promise<number[]> {
  const { default: checkbox } = await import("@inquirer/checkbox");
  const choices = (Array.isArray(changes) ? (changes as Choice[]) : []).map(
    ({ id, does, name, cache, problem, reason }) => ({
      value: id,
      checked: true,
      name: printable(
        `${does} ${name ?? "(the file itself)"} — ${problem}: ${reason.rule} — ${basename(dirname(cache))}`,
      ),
    }),
  );
  return checkbox({ message: "Which changes should be made?", choices, pageSize: 20, loop: false });
}
