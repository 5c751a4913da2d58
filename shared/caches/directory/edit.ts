import type { Splice } from "../../splice.ts";
import type { ObjectSpans } from "./document.ts";

/** What is to happen to the members of one object. Members are named by their position. */
export interface ObjectEdit {
  readonly remove: ReadonlySet<number>;
  /** New JSON for a member's value. */
  readonly replace: ReadonlyMap<number, string>;
  /** Members to add at the end, as `"key": value`. */
  readonly append: readonly string[];
}

/**
 * The splices that carry out an edit and leave every other byte of the file as it is.
 *
 * `indent` is the white space a member of this object begins its line with, used only where the object gives no
 * example of its own. An object that loses its last member becomes `{}`, as Python writes it.
 */
export function spliceObject(bytes: Buffer, spans: ObjectSpans, edit: ObjectEdit, indent: string): Splice[] {
  const { members, open, close } = spans;
  const kept = members.flatMap((_, index) => (edit.remove.has(index) ? [] : [index]));
  const separator = separatorOf(bytes, spans) ?? `,\n${indent}`;
  const lastKept = kept.at(-1);
  if (lastKept === undefined) {
    const [first, last] = [members[0], members.at(-1)];
    if (edit.append.length === 0) return first === undefined ? [] : [{ start: open + 1, end: close, text: "" }];
    const text = edit.append.join(separator);
    if (first && last) return [{ start: first.start, end: last.value.end, text }];
    return [{ start: open + 1, end: close, text: `\n${indent}${text}\n${indent.slice(2)}` }];
  }
  const splices: Splice[] = [];
  const added = edit.append.map((text) => separator + text).join("");
  for (let index = 0; index < members.length; index += 1) {
    const member = members[index];
    if (member === undefined || !edit.remove.has(index)) {
      const json = edit.replace.get(index);
      if (member !== undefined && json !== undefined)
        splices.push({ start: member.value.start, end: member.value.end, text: json });
      continue;
    }
    let last = index;
    while (edit.remove.has(last + 1)) last += 1;
    splices.push({ ...cutRun(spans, index, last), text: last === members.length - 1 ? added : "" });
    index = last;
  }
  if (added !== "" && lastKept === members.length - 1) {
    const end = members[lastKept]?.value.end ?? close;
    splices.push({ start: end, end, text: added });
  }
  return splices;
}

/** A removed run goes with the comma before it or, at the very front, with the one behind it. */
function cutRun({ members, open, close }: ObjectSpans, first: number, last: number): { start: number; end: number } {
  const before = members[first - 1];
  if (before !== undefined) return { start: before.value.end, end: members[last]?.value.end ?? close };
  return { start: members[first]?.start ?? open + 1, end: members[last + 1]?.start ?? close };
}

function separatorOf(bytes: Buffer, { members, open }: ObjectSpans): string | undefined {
  const [first, second] = members;
  if (first === undefined) return undefined;
  if (second === undefined) return `,${bytes.toString("utf8", open + 1, first.start)}`;
  return bytes.toString("utf8", first.value.end, second.start);
}
