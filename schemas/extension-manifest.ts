import { readFileSync } from "node:fs";

import { Configuration, operations } from "../shared/index.ts";

/*
 * What of the extension's manifest follows from the registry and from the configuration's schema: commands and
 * settings. The rest of extension/package.json is written by hand and kept.
 */

interface Command {
  readonly command: string;
  readonly title: string;
  readonly category: string;
  readonly icon?: string;
}

/** How operations are called in the editor, where that differs from their title. */
const LABELS: Readonly<Record<string, readonly [title: string, icon?: string]>> = {
  list: ["Show Caches"],
  stats: ["Statistics", "$(graph)"],
  check: ["Check", "$(search-fuzzy)"],
  probe: ["Probe Media…"],
  scan: ["Scan", "$(eye)"],
  import: ["Import Probe Results…"],
  cleanup: ["Clean Up…", "$(trash)"],
  directories: ["List Managed Directories"],
  info: ["Explain a Managed Directory…"],
  register: ["Register a Directory…"],
  touch: ["Mark a Directory as Used…"],
  pin: ["Pin a Directory…"],
  forget: ["Forget a Directory…"],
  reconcile: ["Reconcile a Managed Cache…"],
  evict: ["Evict…", "$(clear-all)"],
  warm: ["Bring Directories Back…"],
  engines: ["Show Engine Caches"],
  empty: ["Empty Engine Caches…", "$(clear-all)"],
  jellyfin: ["Show Jellyfin Servers"],
  clear: ["Clear Jellyfin Caches…", "$(clear-all)"],
  repair: ["Repair…", "$(tools)"],
  apply: ["Apply Plan…"],
  undo: ["Undo Last Cleanup…", "$(discard)"],
  history: ["History", "$(history)"],
  backup: ["Back Up Caches…", "$(archive)"],
  restore: ["Restore a Backup…"],
  record: ["Record a Conversion…"],
  invalidate: ["Forget Probe Results…"],
  doctor: ["Doctor", "$(pulse)"],
};

/** The registry as the editor needs it: without schemas of outputs, and without code. */
export function operationsTable(): string {
  const table = operations.map(({ name, title, description, effect, input, positional }) => ({
    name,
    title: LABELS[name]?.[0].replace("…", "") ?? title,
    description,
    effect,
    positional: positional ?? null,
    required: input.required ?? [],
    properties: input.properties,
  }));
  return `${JSON.stringify(table, null, 2)}\n`;
}

/** The manifest with the commands and tasks of all operations and the settings of the whole configuration. */
export function manifest(file: string): string {
  const parts = JSON.parse(readFileSync(file, "utf8")) as {
    contributes: {
      commands: Command[];
      configuration: { properties: Record<string, object> };
      taskDefinitions: { properties: { operation: { enum: string[] } } }[];
    };
  };
  const { contributes } = parts;
  const derived = operations.map(({ name, title }): Command => {
    const [label, icon] = LABELS[name] ?? [title];
    return { command: `cacheOps.${name}`, title: label, category: "Cache Ops", ...(icon && { icon }) };
  });
  const names = new Set(derived.map(({ command }) => command));
  contributes.commands = [...derived, ...contributes.commands.filter(({ command }) => !names.has(command))];
  for (const { properties } of contributes.taskDefinitions)
    properties.operation.enum = operations.map(({ name }) => name);
  const settings = Object.fromEntries(settingsOf(Configuration, "cacheOps"));
  const others = Object.entries(contributes.configuration.properties).filter(([name]) => !(name in settings));
  contributes.configuration.properties = Object.fromEntries(
    // In this order the editor shows them, too, instead of by name.
    Object.entries({ ...settings, ...Object.fromEntries(others) }).map(([name, setting], order) => [
      name,
      { ...setting, order },
    ]),
  );
  return `${JSON.stringify(parts, null, 2)}\n`;
}

/** Settings a workspace may bring along, once it is trusted. All others are the user's own: guards above all. */
const FROM_WORKSPACE = new Set(["cacheOps.libraries", "cacheOps.keep"]);

function settingsOf(schema: object, prefix: string): [string, object][] {
  const { properties } = schema as { readonly properties: Readonly<Record<string, Record<string, unknown>>> };
  return Object.entries(properties).flatMap(([name, property]): [string, object][] => {
    const path = `${prefix}.${name}`;
    if (name === "$schema") return [];
    if (property["type"] === "object") return settingsOf(property, path);
    const { description, ...rest } = property;
    const scope = FROM_WORKSPACE.has(path) ? "machine-overridable" : "machine";
    return [[path, { ...(withoutDefaulted(rest) as object), markdownDescription: description, scope }]];
  });
}

/** A schema as the editor checks settings by it: nobody has to write what has a default. */
function withoutDefaulted(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutDefaulted);
  if (typeof schema !== "object" || schema === null) return schema;
  const parts = Object.fromEntries(Object.entries(schema).map(([name, part]) => [name, withoutDefaulted(part)]));
  const { properties, required } = schema as {
    readonly properties?: Readonly<Record<string, object>>;
    readonly required?: readonly string[];
  };
  if (properties === undefined || !Array.isArray(required)) return parts;
  return { ...parts, required: required.filter((name) => !("default" in (properties[name] ?? {}))) };
}
