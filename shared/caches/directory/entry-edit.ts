import type { Change } from "../../change.ts";
import type { Splice } from "../../splice.ts";
import { readObject, type Member, type ObjectSpans } from "./document.ts";
import { spliceObject, type ObjectEdit } from "./edit.ts";
import { membersByKey, readEntry } from "./entry.ts";
import { fieldText, pythonString } from "./python-json.ts";

/** Fields that only the older format has, and that mediabox's own migration removes. */
export const LEGACY_FIELDS = ["file_path", "action"] as const;

/**
 * The splices that carry out changes of single entries: cut (all occurrences of the key go together, or an older one
 * would come back to life), correct the name, drop legacy fields.
 */
export function editEntries(bytes: Buffer, spans: ObjectSpans, changes: readonly Change[]): Splice[] {
  const byKey = membersByKey(spans);
  const remove = new Set<number>();
  const inside = new Map<string, FieldEdit>();
  for (const change of changes) {
    const found = change.entry === null ? undefined : byKey.get(change.entry);
    if (found === undefined || change.entry === null) throw new Error(`${change.cache} has no entry ${change.entry}`);
    if (change.does === "remove" || change.does === "rehome") for (const index of found.indexes) remove.add(index);
    else {
      const edit = inside.get(change.entry) ?? { member: found.last, name: undefined, drop: false };
      inside.set(change.entry, {
        ...edit,
        name: change.does === "rename" ? change.to : edit.name,
        drop: edit.drop || change.does === "migrate",
      });
    }
  }
  const outer = spliceObject(bytes, spans, { remove, replace: new Map(), append: [] }, "  ");
  const inner = [...inside.values()].flatMap((edit) => spliceFields(bytes, edit));
  return [...outer, ...inner].toSorted((a, b) => a.start - b.start);
}

interface FieldEdit {
  readonly member: Member;
  readonly name: string | undefined;
  readonly drop: boolean;
}

function spliceFields(bytes: Buffer, { member, name, drop }: FieldEdit): Splice[] {
  const fields = readObject(bytes, member.value.start);
  const entry = readEntry(bytes, member);
  const last = fields.members.findLastIndex(({ key }) => key === "file_name");
  const at = last < 0 ? undefined : last;
  // A legacy entry may name its media only in file_path: the name stays when that goes.
  const isNamed = fields.members[last]?.value.type === "string";
  const newName = name ?? (isNamed || typeof entry === "string" ? undefined : entry.names[0]);
  const json = newName === undefined ? undefined : pythonString(newName);
  const edit: ObjectEdit = {
    remove: new Set(drop ? fields.members.flatMap(({ key }, index) => (isLegacy(key) ? [index] : [])) : []),
    replace: new Map(at !== undefined && json !== undefined ? [[at, json]] : []),
    append: at === undefined && json !== undefined ? [fieldText("file_name", json)] : [],
  };
  return spliceObject(bytes, fields, edit, "    ");
}

function isLegacy(field: string): boolean {
  return LEGACY_FIELDS.some((legacy) => legacy === field);
}
