const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\f": "\\f",
  "\b": "\\b",
};

/** A JSON string literal in Python's `ensure_ascii` spelling: everything outside space…tilde escaped, hex in lower case. */
export function pythonString(text: string): string {
  const escaped = text.replace(
    /["\\]|[^ -~]/g,
    (unit) => SHORT[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}

/**
 * A cache entry as Python's `json.dump(…, indent=2)` writes it one level deep: `"key": {…}` without the indent in
 * front. `fields` are names and values, the values already in JSON.
 */
export function entryText(key: string, fields: readonly (readonly [name: string, json: string])[]): string {
  return `${pythonString(key)}: {\n${fields.map(([name, json]) => `    ${fieldText(name, json)}`).join(",\n")}\n  }`;
}

/** One field of an entry: `"name": value`, the value already in JSON. */
export function fieldText(name: string, json: string): string {
  return `${pythonString(name)}: ${json}`;
}
