/** What makes stored values of one version of the schema into those of the next. What is left out stays as it is. */
interface Step {
  /** The version it leads away from: a hash that `SCHEMA_VERSION` was once. */
  readonly from: string;
  readonly result?: (value: unknown) => unknown;
  readonly files?: (value: unknown) => unknown;
}

/** Every version whose values do not fit the one after it, oldest first. Nothing that was stored is thrown away. */
const STEPS: readonly Step[] = [
  // Nothing was partial, and files of a directory did not say so.
  { from: "cb3f6e44", files: (files) => eachRecord(files, (file) => ({ ...file, partial: false })) },
];

/** Takes a stored value of the version `from` through all steps that follow. Does not check what comes out. */
export function bringForward(
  part: "result" | "files",
  stored: unknown,
  from: string,
  steps: readonly Step[] = STEPS,
): unknown {
  const first = steps.findIndex((step) => step.from === from);
  if (first < 0) return stored;
  return steps.slice(first).reduce((value, step) => step[part]?.(value) ?? value, stored);
}

function eachRecord(values: unknown, change: (value: object) => object): unknown {
  if (!Array.isArray(values)) return values;
  return values.map((value: unknown) => (typeof value === "object" && value !== null ? change(value) : value));
}
